"""The whole fit: collect, train, evaluate; each part goes on where a kill left it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from learned_envs import catalogue
from learned_envs.checkpoint import (
    FILE_NAME,
    find_device,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from learned_envs.dynamics.dynamics import Family
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.errors import CheckpointError, OutputError, ParameterError
from learned_envs.fit.collection import Learner, collect
from learned_envs.fit.config import FitConfig, TrainingConfig
from learned_envs.fit.dataset import Source
from learned_envs.fit.evaluation import evaluate
from learned_envs.fit.minari_exchange import open_dataset
from learned_envs.fit.reference import describe, make_reference
from learned_envs.fit.report import Report
from learned_envs.fit.shard import write_whole
from learned_envs.fit.training import Progress, train
from learned_envs.fit.trajectories import Trajectories
from learned_envs.simulation import Simulation
from learned_envs.state import SystemSpec

CONFIG_FILE = "fit.json"
"""What a fit's folder calls the settings that `resume` goes on with."""

DATA_FOLDER = "data"
"""Where it keeps what it records."""

PLOT_FILE = "errors.png"
"""What it calls the picture of its held-out errors."""

THRESHOLD_STATES = 100_000
"""Held-out transitions whose disagreement sets the threshold, at most."""


@dataclass(frozen=True)
class Observer:
    """What hears of a fit as it goes; the command line draws progress bars from it.

    Attributes:
        collected: called with the real steps recorded so far, and all that are to be; at the
            beginning too.
        trained: called after each update, with where the training is and how it is done.
    """

    collected: Callable[[int, int], None] = lambda steps, total: None
    trained: Callable[[Progress, TrainingConfig], None] = lambda progress, config: None


def fit(
    task: str,
    out: str | Path,
    config: FitConfig | None = None,
    *,
    learner: Learner | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    observer: Observer | None = None,
) -> Simulation:
    """Fit a model of a task's system from real MuJoCo and leave it in `out`.

    Args:
        task: name of the task.
        out: the fit's folder, made here: the weights, the data where none is given, what
            resuming needs, TensorBoard curves, a report and its plot.
        config: how to fit; where a fit is resumed, its own.
        learner: what learns in the real environment while it is recorded, `config.learners`
            times; `learned_envs.sb3.learn_outside` is one.
        resume: go on with what a killed fit left in `out`.
        device: where to train; a GPU where there is one, for None.
        observer: hears how it goes.

    Raises:
        UnknownNameError: an unknown task or family.
        ParameterError: an option that the family does not have, or learners without a learner.
        OutputError: where `out` exists already and is not resumed, or cannot be written to.
        DatasetError: where the data is broken or of another environment.
        CheckpointError: where `start` cannot be read, or there is nothing to resume.
        DeviceError: where there is no such device.
    """
    task, out, observer = catalogue.task_of(task), Path(out), observer or Observer()
    device = find_device(device)
    config = _stored(task, out) if resume else _anchored(config or FitConfig())
    # All that can be wrong is found before there is a folder, so that a second try finds none.
    family = make_family(config)
    source = catalogue.env_id(task) if config.start == "shipped" else config.start
    started = None if source is None else _read_start(source, task, config)
    dataset: Source | None = None
    if config.data is not None:
        dataset = open_dataset(config.data, task)
    elif config.learners and learner is None:
        raise ParameterError(
            f"Got learners={config.learners} and no learner. Pass "
            "learner=learned_envs.sb3.learn_outside, or learners=0."
        )
    family.build(_spec_of(task) if dataset is None else dataset.spec)
    if not resume:
        _make_folder(task, out, config)

    if dataset is None:
        observer.collected(0, steps := config.steps)
        dataset = collect(
            task,
            steps,
            out / DATA_FOLDER,
            learners={f"ppo-{index}": learner for index in range(config.learners) if learner},
            seed=config.training.seed,
            on_progress=lambda done: observer.collected(done, steps),
        )
    recording, held_out = dataset.load().split(config.training.held_out, config.training.seed)
    torch.manual_seed(config.training.seed)
    training = config.training
    if source is None:
        dynamics = Ensemble(family, dataset.spec, training.members).to(device)
    else:
        dynamics, _ = load_checkpoint(source, device, task)
        training = replace(training, members=dynamics.members)
    card: dict[str, Any] = {
        "task": task,
        "seed": training.seed,
        "start": None if started is None else started["sha256"],
        "real_steps": dataset.steps,
        "data": {"sha256": dataset.digest, "steps": dataset.steps, "sources": dataset.sources},
        # Paths of this machine say nothing on another; the checksums beside them do.
        "fit": asdict(replace(config, data=None, start=None, training=training)),
        "disagreement_threshold": None,
    }
    held = Trajectories.of(held_out, dataset.spec, device)
    dynamics = train(
        dynamics,
        Trajectories.of(recording, dataset.spec, device),
        held,
        training,
        out,
        card,
        normalise=source is None,
        on_progress=lambda progress: observer.trained(progress, training),
    )
    simulation = Simulation(catalogue.task_class(task).create(dataset.spec, {}), dynamics, card)
    report = evaluate(simulation, held_out)
    report.plot(out / PLOT_FILE)
    card["held_out"] = report.to_dict()
    card["disagreement_threshold"] = disagreement_threshold(
        dynamics, held, config.disagreement_quantile
    )
    save_checkpoint(out / FILE_NAME, dynamics, card)
    return Simulation(simulation.task, dynamics, read_card(out / FILE_NAME))


def make_family(config: FitConfig) -> Family:
    """Build the family's configuration.

    Raises:
        UnknownNameError: where there is no such family.
        ParameterError: where it has no such option.
    """
    cls = catalogue.family_class(config.family)
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in config.options.items()
    }
    known = cls.__dataclass_fields__
    if unknown := sorted(set(options) - set(known)):
        raise ParameterError(
            f"{config.family} has no option {', '.join(unknown)}. It has {', '.join(known)}."
        )
    for name, value in options.items():
        if type(value) is not type(default := known[name].default):
            raise ParameterError(
                f"Got {name}={value!r} for {config.family}, expected {type(default).__name__}, "
                f"such as {default!r}."
            )
    return cls(**options)


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


def evaluate_run(
    source: str | Path,
    data: str | Path | None = None,
    trajectories: int = 2000,
    device: str | torch.device | None = None,
) -> tuple[Report, str]:
    """Measure a fit, or any weights, on recorded episodes.

    Args:
        source: a fit's folder, a weights file, or the name or id of a task.
        data: episodes to measure on. Where it is what the weights were fitted to, only the part
            that the fit held out is used. None takes the fit's own; weights that come alone
            have none, and their card's figures are returned.
        trajectories: how many windows to draw from the data.
        device: where to roll out; a GPU where there is one, for None.

    Returns:
        The report, and a sentence that says where its figures are from.

    Raises:
        CheckpointError: where the weights cannot be read, or are not evaluated yet.
        DatasetError: where the data is broken, or of another environment.
    """
    card = read_card(source)
    folder = Path(source)
    if data is None and (folder / CONFIG_FILE).is_file():
        data = _stored(card["task"], folder).data or folder / DATA_FOLDER
    if data is None:
        if "held_out" not in card:
            raise CheckpointError(f"{source} holds no figures. Pass --data with a dataset.")
        where = "These figures are the card's own; pass --data with a dataset to measure anew."
        return Report.from_dict(card["held_out"]), where
    simulation = Simulation.load(source, find_device(device))
    dataset = open_dataset(data, card["task"])
    recording, where = dataset.load(), f"Measured on all episodes of {data}."
    if dataset.digest == card.get("data", {}).get("sha256"):
        training = card["fit"]["training"]
        recording = recording.split(training["held_out"], training["seed"])[1]
        where = f"Measured on the episodes of {data} that the fit held out."
    return evaluate(simulation, recording, trajectories=trajectories), where


def _spec_of(task: str) -> SystemSpec:
    with closing(make_reference(task)) as env:
        return describe(env)


def _anchored(config: FitConfig) -> FitConfig:
    """Make the paths absolute, so that a fit can be resumed from another directory."""

    def absolute(path: str | None) -> str | None:
        return str(Path(path).resolve()) if path is not None and Path(path).exists() else path

    return replace(config, data=absolute(config.data), start=absolute(config.start))


def _read_start(source: str, task: str, config: FitConfig) -> dict[str, Any]:
    """Read the card of what a fit starts from, and see that the model asked for is that one."""
    card = read_card(source, task)
    if card["family"] != config.family or config.options:
        raise ParameterError(
            f"Got family {config.family} with options {config.options}, but {source} is a "
            f"{card['family']} with options of its own. Name that family and no options, or start "
            "from none."
        )
    return card


def _stored(task: str, out: Path) -> FitConfig:
    """Read the settings of a fit."""
    try:
        stored = json.loads((out / CONFIG_FILE).read_text())
        if stored["task"] != task:
            raise CheckpointError(
                f"{out} holds a fit of {stored['task']}, expected one of {task}. Give another "
                "--out."
            )
        return FitConfig.from_dict(stored["config"])
    except FileNotFoundError:
        raise CheckpointError(
            f"There is nothing to resume in {out}: it holds no {CONFIG_FILE}. Fit without --resume."
        ) from None
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{out / CONFIG_FILE} is not the settings of a fit ({error}). Delete the folder and "
            "fit again."
        ) from error


def _make_folder(task: str, out: Path, config: FitConfig) -> None:
    """Make the fit's folder, and leave there what resuming needs to know."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(
                f"{out} exists already. Choose another --out, or go on with the fit in it by "
                "--resume."
            )
        out.mkdir(parents=True, exist_ok=True)
        settings = {"task": task, "config": asdict(config)}
        write_whole(out / CONFIG_FILE, json.dumps(settings, indent=1).encode())
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error}. Choose another --out.") from error
