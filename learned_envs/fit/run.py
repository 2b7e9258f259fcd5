"""The whole fit: collect, train, evaluate; each part goes on where a kill left it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from learned_envs import argument, registry
from learned_envs.card import read_card
from learned_envs.checkpoint import find_device
from learned_envs.collect.asking import ask
from learned_envs.collect.collection import Driver, collect
from learned_envs.collect.own_code import code_of
from learned_envs.data.dataset import Dataset
from learned_envs.data.source import Source
from learned_envs.errors import CheckpointError, OutputError, ParameterError
from learned_envs.evaluation.evaluation import evaluate
from learned_envs.evaluation.report import Report
from learned_envs.files import UNFINISHED, write_whole
from learned_envs.fit.config import FitConfig, FitFile, RoundsConfig
from learned_envs.fit.episodes import episodes_of, opened, own_data
from learned_envs.fit.folder import CONFIG_FILE, DATA_FOLDER, LOGS_FOLDER
from learned_envs.fit.model import check_model, fit_model, make_family
from learned_envs.fit.observer import Observer
from learned_envs.fit.rounds import Improve, Rounds
from learned_envs.fit.settings import (
    anchored,
    expect_same,
    expect_same_code,
    read_settings,
)
from learned_envs.location import settled
from learned_envs.simulation import Simulation


def fit(
    task: str,
    out: str | Path,
    config: FitConfig | None = None,
    *,
    learner: Driver | None = None,
    improver: Callable[[str, RoundsConfig], Improve] | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    observer: Observer | None = None,
) -> Simulation:
    """Fit a model of a task's system from real MuJoCo and leave it in `out`.

    Args:
        task: name of the task.
        out: the fit's folder, made here. It gets the checkpoint, the data if none is given, what
            resuming needs, TensorBoard curves and a plot of the held-out errors.
        config: how to fit. A resumed fit goes on with its own settings, so None; or exactly them.
        learner: a driver that is recorded while it learns in the real environment,
            `config.learners` times; [`learn_outside`][learned_envs.sb3.learn_outside] is one.
        improver: makes the [`Improve`][learned_envs.fit.rounds.Improve] that trains an agent in
            each of `config.rounds`. If None, `config.rounds.algorithm` names it.
        resume: go on with what a killed fit left in `out`.
        device: where to train; if None, a GPU if there is one.
        observer: is told how it goes.

    Returns:
        The fitted simulation, with its card. `out` holds it as a checkpoint.

    Raises:
        UnknownNameError: if the task, the family or the improver is unknown.
        ParameterError: if the family does not have an option, there are learners and no
            `learner`, rounds are given data of another package, the improver of a resumed fit is
            not this package's and was not named again, or settings differ from those that a
            resumed fit has.
        SystemSpecError: if the real system is not what its spec says.
        OutputError: if `out` exists already and is not resumed, or cannot be written to.
        DatasetError: if the data is broken, of another environment, or has outliers that would rule
            the normalisation.
        TrainingError: if the training diverges.
        CheckpointError: if `config.start` cannot be read, or there is nothing to resume.
        DeviceError: if there is no such device.
    """
    wanted = FitConfig() if config is None else config
    argument.instance("config", wanted, FitConfig)
    task, out, observer = registry.task_of(task), argument.path("out", out), observer or Observer()
    device = find_device(device)
    if resume:
        begun = read_settings(task, out)
        expect_same_code(begun.code, task, out)
        if config is not None:
            expect_same(config, begun.config, out)
        config = begun.config
    else:
        config = anchored(wanted)
    # What can be wrong is found before the folder is made, so that a second try finds none.
    family = make_family(config)
    start = registry.env_id(task) if config.start == "shipped" else config.start
    start = None if start is None else str(settled(start))
    if start is not None:
        _check_start(start, task, config)
    if config.rounds.count:
        improver = improver or _improver(config.rounds.algorithm, wanted.rounds.algorithm, resume)
    dataset: Source | None = None
    if config.data is not None:
        dataset = opened(config.data, task, lambda: ask(task).spec)
        if config.rounds.count and not isinstance(dataset, Dataset):
            raise ParameterError(
                f"Got rounds={config.rounds.count} with data={config.data}, which is not of this "
                "package. Rounds add to a dataset of its own: fit to yours first, and pass that "
                "as --from."
            )
    elif config.learners and learner is None:
        raise ParameterError(
            f"Got learners={config.learners} and no learner. Pass "
            "learner=learned_envs.sb3.learn_outside, or learners=0."
        )
    asked = ask(task, None if dataset is None else dataset.spec)
    members = config.training.members if start is None else read_card(start).members
    check_model(family, asked.spec, members, asked.task.sensors)
    if members == 1 and config.rounds.count and config.rounds.penalty:
        raise ParameterError(
            f"Got penalty={config.rounds.penalty} for a model of one member, which has nobody to "
            "disagree with. Pass --penalty 0, or fit more members."
        )
    if not resume:
        _make_folder(task, out, config)

    if config.rounds.count and improver is not None:
        improve = improver(task, config.rounds)
        before = dataset if isinstance(dataset, Dataset) else None
        return Rounds(task, out, config, improve, device, observer, start, before).run()
    if dataset is None:
        observer.collected(0, steps := config.steps)
        dataset = collect(
            task,
            steps,
            out / DATA_FOLDER,
            drivers={f"ppo-{index}": learner for index in range(config.learners) if learner},
            seed=config.training.seed,
            on_progress=lambda done: observer.collected(done, steps),
        )
    return fit_model(
        task, dataset, out, config, device, observer, start=start, normalise=start is None
    )


def evaluate_run(
    checkpoint: str | Path,
    data: str | Path | None = None,
    trajectories: int = 2000,
    device: str | torch.device | None = None,
) -> tuple[Report, str]:
    """Measure a fit, or any checkpoint, on recorded episodes.

    Args:
        checkpoint: a fit's folder, a checkpoint, or the name or id of a task.
        data: a dataset to measure on. If the model was fitted to it, only the part that the fit
            held out is used. None takes the fit's own. A checkpoint without a fit's folder has
            none: then the figures of its card are returned.
        trajectories: how many windows to draw from the data.
        device: where to roll out; if None, a GPU if there is one.

    Returns:
        The report, and a sentence that says where its figures are from.

    Raises:
        CheckpointError: if the checkpoint cannot be read, or is not evaluated yet.
        DatasetError: if the data is broken, or of another environment.
    """
    card = read_card(checkpoint)
    data = own_data(checkpoint, card) if data is None else data
    if data is None:
        if card.held_out is None:
            raise CheckpointError(f"{checkpoint} holds no figures. Pass --data with a dataset.")
        where = "These figures are the card's own; pass --data with a dataset to measure anew."
        return Report.of(card.held_out), where
    simulation = Simulation.load(card.pinned or checkpoint, find_device(device))
    found = episodes_of(card, data, lambda: simulation.task.spec)
    return evaluate(simulation, found.unseen, trajectories=trajectories), found.where


def _improver(algorithm: str, asked: str, resume: bool) -> Callable[[str, RoundsConfig], Improve]:
    """Find what trains agents. Code that a folder names runs only if it is named again."""
    if resume and algorithm not in registry.IMPROVERS and algorithm != asked:
        raise ParameterError(
            f"The fit was begun with --algorithm {algorithm}, code that is not this package's. "
            f"Add --algorithm {algorithm} to --resume if you trust it; in Python, pass improver."
        )
    found: Callable[[str, RoundsConfig], Improve] = registry.improver(algorithm)
    return found


def _check_start(start: str, task: str, config: FitConfig) -> None:
    """Check that the model asked for is the one that a fit starts from."""
    card = read_card(start, task)
    if card.family != config.family or config.options:
        raise ParameterError(
            f"Got family {config.family} with options {config.options}, but {start} is a "
            f"{card.family} with options of its own. Name that family and no options, or start "
            "from none."
        )


def _make_folder(task: str, out: Path, config: FitConfig) -> None:
    """Make the fit's folder, and leave there what resuming needs to know."""
    try:
        # What a kill left half-written before there was anything to resume does not count.
        # What recordings were made into lies there before.
        entries = [*out.iterdir()] if out.is_dir() else []
        there = [e for e in entries if e.suffix != UNFINISHED and e.name != LOGS_FOLDER]
        if there or (out.exists() and not out.is_dir()):
            raise OutputError(
                f"{out} exists already. Choose another --out, or go on with the fit in it by "
                "--resume."
            )
        write_whole(out / CONFIG_FILE, FitFile(task, config, code_of(task)).to_json())
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error}. Choose another --out.") from error
