"""From a robot's recordings to a model of it: looked at, made into states, identified, learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from learned_envs import argument
from learned_envs.card import read_card
from learned_envs.data.dataset import Dataset
from learned_envs.data.recording import Recording
from learned_envs.fit.config import FitConfig
from learned_envs.fit.folder import CONFIG_FILE, LOGS_FOLDER
from learned_envs.fit.observer import Observer
from learned_envs.fit.run import fit
from learned_envs.logs.convert import LATEST, ROBOT_FILE, prepare
from learned_envs.logs.finding import Finding
from learned_envs.logs.identify import Identified
from learned_envs.logs.map import LogMap
from learned_envs.logs.simulated import simulate
from learned_envs.simulation import Simulation

FAMILIES = ("second_order", "recurrent")
"""What is tried if nobody names a family: what sees one state, and what remembers earlier ones."""

WITH_MODEL = ("rigid_body_residual",)
"""What is tried beside them if there is an MJCF, whose inertia it takes."""

TRIED = 0.1
"""Of the updates, for each family that is tried."""

BEFORE, AFTER, AFTERWARDS = 2 / 3, 1 / 3, 0.3
"""Shares of the updates with simulated steps and with recordings, and the latter's rate."""


@dataclass(frozen=True)
class LogObserver:
    """Callbacks of a fit to recordings.

    Attributes:
        found: called with what a look at the recordings finds, one by one.
        identified: called with what was found of the MJCF's physics.
        tried: called with each family that was tried and its score; lower is better.
        stage: makes the callbacks of each of the fits that this one is made of, by its name.
    """

    found: Callable[[Finding], None] = lambda finding: None
    identified: Callable[[Identified], None] = lambda found: None
    tried: Callable[[str, float], None] = lambda family, score: None
    stage: Callable[[str], Observer] = lambda name: Observer()


@dataclass(frozen=True)
class Recorded:
    """What a fit to recordings is made of.

    Attributes:
        recordings: a file or a folder.
        log_map: what their columns mean.
        model: the robot's MJCF or URDF, if there is one.
        rules: a Python file of what is seen, paid and ended.
        simulated: steps of the identified MJCF that are learned from at first.
    """

    recordings: Path
    log_map: LogMap
    model: Path | None = None
    rules: Path | None = None
    simulated: int = 200_000


def fit_recordings(
    recorded: Recorded,
    out: Path,
    config: FitConfig | None = None,
    *,
    choose: bool = True,
    device: str | torch.device | None = None,
    observer: LogObserver | None = None,
) -> tuple[Simulation, dict[str, Recording]]:
    """Fit a model to a robot's recordings; a fit that was killed goes on in its folder.

    Args:
        recorded: the recordings, and what is known of them.
        out: the fit's folder. What recordings were made into lies in its `logs`.
        config: how to fit; its data and its start are not used.
        choose: try families for a tenth of the updates each, and keep what held-out episodes
            prefer; otherwise the config's is taken.
        device: where to train; if None, a GPU if there is one.
        observer: is told how it goes.

    Returns:
        The fitted simulation; and recordings that nothing was fitted to, by what they are.

    Raises:
        LogError: if the recordings, the map and the model do not fit to one another, or a fit would
            be wrong.
        OutputError: if nothing can be written, or other recordings were made into states there.
        TrainingError: if a training diverges.
    """
    argument.instance("recorded", recorded, Recorded)
    observer, config = observer or LogObserver(), config or FitConfig()
    training, logs = config.training, out / LOGS_FOLDER
    split = (training.held_out, training.seed)
    dataset = prepare(
        recorded.recordings,
        recorded.log_map,
        logs,
        recorded.model,
        recorded.rules,
        split,
        observer.identified,
        observer.found,
    )
    rest, held_out = dataset.load().split(*split)
    unseen, late = {"episodes that were held out": held_out}, Dataset.open(logs / LATEST)
    if late.steps:
        unseen["the last tenth of the time"] = late.load()
    stages = _Stages(dataset, device, observer)
    config = replace(config, data=str(dataset.path), start=None)
    if choose:
        families = FAMILIES if recorded.model is None else (*FAMILIES, *WITH_MODEL)
        config = _chosen(config, families, stages, logs / "families")
    if recorded.model is not None and recorded.simulated:
        # Physics first, then what is left.
        physics, updates = logs / "simulated", training.updates
        data = _simulated(rest, dataset, logs, recorded.simulated)
        first = replace(training, updates=math.ceil(BEFORE * updates))
        stages.run("simulated steps", physics, replace(config, data=str(data.path), training=first))
        last = replace(
            training,
            updates=math.ceil(AFTER * updates),
            learning_rate=AFTERWARDS * training.learning_rate,
        )
        config = replace(config, start=str(physics), options={}, training=last)
    return stages.run("recordings", out, config), unseen


@dataclass(frozen=True)
class _Stages:
    """Fits to one robot, one after the other."""

    dataset: Dataset
    device: str | torch.device | None
    observer: LogObserver

    def run(self, name: str, out: Path, config: FitConfig) -> Simulation:
        """Fit, or go on with a fit that was killed."""
        begun = (out / CONFIG_FILE).is_file()
        return fit(
            self.dataset.task,
            out,
            config,
            resume=begun,
            device=self.device,
            observer=self.observer.stage(name),
        )


def _chosen(config: FitConfig, families: Sequence[str], stages: _Stages, out: Path) -> FitConfig:
    """Try families for a while, and return the settings with the best of them."""
    updates = max(1, round(TRIED * config.training.updates))
    short = replace(config, options={}, training=replace(config.training, updates=updates))
    scores = {}
    for family in families:
        stages.run(f"trying {family}", out / family, replace(short, family=family))
        held_out = read_card(out / family).held_out
        assert held_out is not None
        medians = held_out.curve("model").median
        scores[family] = sum(math.log(max(m, 1e-12)) for m in medians) / len(medians)
        stages.observer.tried(family, scores[family])
    best = min(scores, key=lambda family: scores[family])
    return replace(config, family=best, options=config.options if best == config.family else {})


def _simulated(rest: Recording, dataset: Dataset, logs: Path, steps: int) -> Dataset:
    """Return steps of the identified physics; those that are there already, if they are enough."""
    data = logs / "simulated-data"
    if data.exists() and (there := Dataset.open(data, dataset.task)).steps >= steps:
        return there
    return simulate(rest, logs / ROBOT_FILE, dataset.task, dataset.spec, data, steps)
