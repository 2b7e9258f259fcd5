"""One model fitted to one dataset: train, evaluate, set the threshold, save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import torch

from learned_envs import registry
from learned_envs.card import Data, read_card
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.collect.asking import Asked, ask
from learned_envs.collect.touching import seen_geometry
from learned_envs.data.check import check_trainable
from learned_envs.data.outliers import without_peaks
from learned_envs.data.recording import Recording
from learned_envs.data.source import Source
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics.dynamics import Family
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.dynamics.network import shapes_alone
from learned_envs.errors import ParameterError
from learned_envs.evaluation.evaluation import evaluate
from learned_envs.fit.config import FitConfig, TrainingConfig
from learned_envs.fit.folder import FILE_NAME, PLOT_FILE
from learned_envs.fit.observer import Observer
from learned_envs.fit.training import train
from learned_envs.simulation import Simulation
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.size import check_size
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.sensing import sensed_inputs

THRESHOLD_STATES = 100_000
"""The most held-out transitions that the threshold of disagreement is set from."""

MOST_WEIGHTS = 2**28
"""Of all members together: 1 GB of them, and 4 GB while they are trained."""


def fit_model(
    task: str,
    dataset: Source,
    out: Path,
    config: FitConfig,
    device: torch.device,
    observer: Observer,
    *,
    start: str | Path | None = None,
    normalise: bool = True,
) -> Simulation:
    """Train a model of a task's system on a dataset, evaluate it and leave it in a folder.

    If the folder holds an unfinished training, that goes on.

    Args:
        task: name of the task.
        dataset: what to learn from; part of it is held out.
        out: an existing folder.
        config: how to train.
        device: where to train.
        observer: is told how it goes.
        start: a checkpoint to train on; None for a new model.
        normalise: set the normalisation constants from the data; False keeps those of `start`.

    Raises:
        DatasetError: if the data is broken, or has outliers that would rule the normalisation.
        TrainingError: if the training diverges.
        OutputError: if the folder cannot be written to.
        CheckpointError: if `start` cannot be read, or what is to be resumed is broken.
    """
    training = config.training
    asked = ask(task, dataset.spec)
    sensors = asked.task.sensors
    recording, held_out, clipped = _learnable(dataset, asked, training)
    torch.manual_seed(training.seed)
    seen: tuple[str, ...] = ()
    if start is None:
        spec, seen = seen_geometry(dataset.spec, task, recording, training.most_pairs)
        family = make_family(config)
        starts = 0 if asked.starts is None else len(asked.starts)
        dynamics = Ensemble(family, spec, training.members, sensors, starts).to(device)
        if dynamics.starts is not None and asked.starts is not None:
            dynamics.starts.copy_(asked.starts)
    else:
        dynamics, _ = load_checkpoint(start, device, task)
        known = dynamics.spec
        spec = replace(dataset.spec, geoms=known.geoms, pairs=known.pairs)
        training = replace(training, members=dynamics.members)
    entries = msgspec.structs.replace(
        asked.entries,
        task=task,
        notes=(*(asked.entries.notes or ()), *seen, *clipped) or None,
        seed=training.seed,
        start=None if start is None else read_card(start).sha256,
        real_steps=dataset.steps,
        data=Data(dataset.digest, dataset.steps, dataset.actors),
        # Paths of this machine say nothing on another; the checksums beside them do.
        fit=asdict(replace(config, data=None, start=None, training=training)),
        disagreement_threshold=None,
    )
    held = Trajectories.of(held_out, dataset.spec, device, sensors)
    data = Trajectories.of(recording, dataset.spec, device, sensors)
    # It is large, and a training takes long.
    del recording
    dynamics = train(
        dynamics,
        data,
        held,
        training,
        out,
        entries.to_dict(),
        normalise=normalise,
        on_progress=lambda progress: observer.trained(progress, training),
    )
    simulation = Simulation(replace(asked.task, spec=spec), dynamics)
    report = evaluate(simulation, held_out)
    report.plot(out / PLOT_FILE)
    read = {name: figures.error for name, figures in report.sensors.items()}
    rules = entries.rules
    if rules is not None:
        sensed = sensed_inputs(rules.inputs, sensors)
        learned = {n: read.get(n.partition(".")[2]) for n in rules.inputs if n in sensed}
        rules = msgspec.structs.replace(rules, learned=learned)
    entries = msgspec.structs.replace(
        entries,
        held_out=report,
        beats_hold=report.beats_hold,
        sensor_errors=read,
        rules=rules,
        disagreement_threshold=disagreement_threshold(dynamics, held, config.disagreement_quantile),
    )
    save_checkpoint(out / FILE_NAME, dynamics, entries.to_dict())
    return Simulation(simulation.task, dynamics, read_card(out).plain)


def _learnable(
    dataset: Source, asked: Asked, training: TrainingConfig
) -> tuple[Recording, Recording, list[str]]:
    """Return the episodes to learn from, those that are held out, and notes of what was clipped.

    Raises:
        DatasetError: if no model can be trained on them.
    """
    sensors = asked.task.sensors
    made = {sensor.name for sensor in sensors if sensor.place is None}
    # Traced rules compute what is observed, and a model learns no more than their sensors.
    observed = {column for sensor in sensors for column in sensor.columns}
    traced = asked.entries.rules is not None
    whole = dataset.load(observations=bool(observed) or not traced)
    whole, clipped = without_peaks(whole, made)
    check_trainable(whole, dataset.spec, str(dataset.path), observed if traced else None)
    return *whole.split(training.held_out, training.seed), clipped


def make_family(config: FitConfig) -> Family:
    """Build the family's configuration.

    Raises:
        UnknownNameError: if there is no such family.
        ParameterError: if it has no such option, or the option is of another type or out of its
            bounds.
    """
    cls = registry.family_class(config.family)
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in config.options.items()
    }
    known = cls.__dataclass_fields__
    if unknown := sorted(set(options) - set(known)):
        raise ParameterError(
            f"{config.family} has no option {', '.join(unknown)}. It has {', '.join(known)}."
        )
    return cls(**options)


def check_model(
    family: Family, spec: SystemSpec, members: int, sensors: Sequence[Sensor] = ()
) -> None:
    """Check that a model can be made, before anything is recorded or trained for it.

    Raises:
        ParameterError: if the family cannot model the system, or the model would be too large.
        UnknownNameError: if one of the family's options names what does not exist.
    """
    check_size(spec)
    with shapes_alone():
        dynamics = Ensemble(family, spec, members, sensors)
    weights = sum(parameter.numel() for parameter in dynamics.parameters())
    if weights > MOST_WEIGHTS:
        raise ParameterError(
            f"Got a model of {weights:,} weights, of {members} members of {family}, expected at "
            f"most {MOST_WEIGHTS:,}. Take fewer members or narrower layers."
        )


@torch.no_grad()
def disagreement_threshold(
    dynamics: Ensemble, held_out: Trajectories, quantile: float
) -> float | None:
    """Return the quantile of the members' disagreement over held-out steps; None for one member."""
    if dynamics.members < 2:
        return None
    generator = torch.Generator(dynamics.q_low.device).manual_seed(0)
    values = []
    for rows in torch.split(held_out.draw((THRESHOLD_STATES,), 1, generator), 4096):
        window = held_out.window(rows, 1)
        prediction = dynamics.step(window.start, window.actions[:, 0], disagreement=True)
        assert prediction.disagreement is not None
        values.append(prediction.disagreement)
    return float(torch.cat(values).quantile(quantile))
