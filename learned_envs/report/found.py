"""What a report adds to a card: what is measured on held-out episodes."""

from __future__ import annotations

from dataclasses import replace

from learned_envs.card import Card
from learned_envs.checkpoint import find_device
from learned_envs.errors import RenderError
from learned_envs.fit.episodes import episodes_of, own_data
from learned_envs.report.asked import Asked
from learned_envs.report.content import Content, Film
from learned_envs.report.coverage import coverage
from learned_envs.report.film import films
from learned_envs.report.measured import channels, measure, ranked
from learned_envs.simulation import Simulation


def with_measurements(content: Content, card: Card, asked: Asked) -> Content:
    """Measure a model on held-out episodes, and add what is found.

    Raises:
        DatasetError: if the data is missing, broken, or of another environment.
        CheckpointError: if the weights or the fit's settings cannot be read.
        DeviceError: if there is no such device.
    """
    data = asked.data or own_data(asked.run, card)
    if data is None:
        lacks = "These weights have no data beside them: measured is what their card says. Pass "
        return replace(content, left_out=(*content.left_out, f"{lacks}--data with a dataset."))
    asked.on_stage("loading episodes")
    simulation = Simulation.load(asked.run, find_device(asked.device))
    spec = simulation.task.spec
    found = episodes_of(card, data, lambda: spec)
    asked.on_stage("rolling out")
    measured = measure(simulation, found.unseen)
    threshold = card.disagreement_threshold
    windows, order = ranked(
        measured, found.unseen, spec, threshold if isinstance(threshold, float) else None
    )
    mapped = coverage(measured, order, found.learned or found.unseen, spec)
    asked.on_stage("filming")
    drawn: list[Film] = []
    lacks_pictures: tuple[str, ...] = ()
    try:
        drawn = films(measured, windows.places, order, card)
    except RenderError as error:
        lacks_pictures = (f"There are no moving pictures: {error}",)
    return replace(
        content,
        where=found.where,
        channels=channels(measured, spec),
        windows=windows,
        coverage=mapped,
        films=tuple(drawn),
        left_out=(*content.left_out, *lacks_pictures),
    )
