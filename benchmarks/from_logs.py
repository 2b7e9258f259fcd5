"""How much is lost if all that is known of a robot is what its owner recorded?

    python benchmarks/from_logs.py arm cart quadruped

writes recordings as `robot_logs.py` does, fits to them by `learned-envs fit RECORDINGS --map`, and
fits another model, of the same settings, to the clean states of the same episodes. Both predict
clean episodes that neither has seen. Figures are medians of the standardised squared error after 10
and 50 steps, beside holding the first state, and those of positions alone. The delay is the one
that was found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from log_files import Log, write_csv
from rich.console import Console
from rich.table import Table
from robot_logs import DELAY, STEP, Name, recorded
from tyro.conf import Positional

from learned_envs import Simulation
from learned_envs.data.dataset import Dataset
from learned_envs.data.recording import Array, Episode, Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.evaluation.evaluation import Yardstick, compare, model_of, offset
from learned_envs.fit import FitConfig, TrainingConfig, fit
from learned_envs.fit.folder import LOGS_FOLDER
from learned_envs.logs.fitting import Recorded, fit_recordings
from learned_envs.logs.map import ActionMap, JointMap, LogMap, ObservedMap, Time
from learned_envs.logs.states import PENDING, READINGS, logged_episode

HORIZONS = (1, 10, 50)
TESTED = 1000
"""Seeds of the episodes that both predict begin here."""


@dataclass(frozen=True)
class Options:
    """Fit to recordings and to clean states."""

    robots: Positional[tuple[Name, ...]] = ("arm", "cart", "quadruped")
    """Whose."""
    episodes: int = 40
    """Recordings that are fitted to."""
    rows: int = 1000
    """Of each."""
    updates: int = 4000
    """Gradient steps of each fit."""
    out: Path = Path("runs/from-logs")
    """Where recordings and fits go."""


def main(options: Options) -> None:
    names = [f"{h} steps" for h in HORIZONS]
    table = Table("robot", "fitted to", "delay", *names, *(f"positions, {n}" for n in names))
    for robot in options.robots:
        logs = [recorded(robot, seed, options.rows) for seed in range(options.episodes)]
        folder = options.out / robot / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        for index, log in enumerate(logs):
            write_csv(log, folder / f"{index:03d}")
        log_map = map_of(robot, logs[0])
        training = TrainingConfig(members=1, updates=options.updates, horizons=(2, 4, 8))
        config = FitConfig(training=training)
        ours, _ = fit_recordings(
            Recorded(folder, log_map), options.out / robot / "fit", config, choose=False
        )
        dataset = Dataset.open(options.out / robot / "fit" / LOGS_FOLDER / "data")
        clean = options.out / robot / "clean"
        if not clean.exists():
            made = Dataset.create(clean, dataset.task, dataset.spec)
            made.append([episode(log, log_map) for log in logs])
        theirs = fit(
            dataset.task,
            options.out / robot / "clean-fit",
            replace(config, data=str(clean)),
            resume=(options.out / robot / "clean-fit").exists(),
        )
        tests = [recorded(robot, TESTED + seed, options.rows) for seed in range(8)]
        held = Recording.of([episode(log, log_map) for log in tests])
        leaf = next((leaf for leaf in dataset.spec.leaves if leaf.name == PENDING), None)
        found = 0 if leaf is None else leaf.shape[0] if leaf.shape else 0
        for name, simulation in (("recordings", ours), ("clean states", theirs)):
            medians = errors(held, simulation)
            delay = f"{found} of {DELAY}" if simulation is ours else ""
            figures = (*medians["model"], *position_errors(held, simulation))
            table.add_row(robot, name, delay, *(f"{m:.2g}" for m in figures))
        table.add_row("", "hold", "", *(f"{m:.2g}" for m in medians["hold"]))
    Console().print(table)


def errors(held: Recording, simulation: Simulation) -> dict[str, tuple[float, ...]]:
    """Return medians at each horizon, by predictor."""
    report = compare(held, simulation, {"model": model_of(simulation)}, HORIZONS)
    return {curve.name: curve.median for curve in report.curves}


def position_errors(held: Recording, simulation: Simulation) -> list[float]:
    """Return medians at each horizon as `errors` does, of positions alone."""
    kinematics, spec = simulation.dynamics.kinematics, simulation.task.spec
    trajectories = Trajectories.of(held, spec)
    yardstick = Yardstick.of(trajectories, kinematics, spec.cyclic)
    weight = yardstick.weight[: spec.nv]
    rows = trajectories.draw((2000,), HORIZONS[-1], torch.Generator().manual_seed(0))
    window = trajectories.window(rows, HORIZONS[-1])
    with torch.no_grad():
        states = model_of(simulation)(window)
    found = []
    for steps in HORIZONS:
        off = offset(kinematics, window.after(steps), states[steps - 1])[:, : spec.nv]
        found.append(float(((off * weight).square().sum(-1) / (weight > 0).sum()).median()))
    return found


def map_of(robot: Name, log: Log) -> LogMap:
    """Return what a robot's owner would say of the columns."""
    return LogMap(
        name=robot,
        time=Time(column="time"),
        joints=tuple(
            JointMap(
                name=name.removeprefix("q_"),
                position=name,
                kind="slide" if robot == "cart" and place == 0 else "hinge",
            )
            for place, name in enumerate(log.joints)
        ),
        actions=tuple(ActionMap(column=name) for name in log.commands),
        observed=tuple(ObservedMap(column=name, state=name.startswith("up")) for name in log.imu),
    )


def episode(log: Log, log_map: LogMap) -> Episode:
    """Return the clean states of an episode, as a dataset has them."""
    q, v, u = log.clean["q"], log.clean["v"], log.clean["u"]
    rows = len(q)
    columns: dict[str, Array] = {}
    if log_map.observed:
        up, read = log.clean["up"], log.clean["gyro"]
        q = np.concatenate([q, up], 1)
        v = np.concatenate([v, np.gradient(up, STEP, axis=0)], 1)
        columns[READINGS] = read[DELAY:]
    pending = [u[lag : rows - DELAY + lag] for lag in range(DELAY)]
    columns[PENDING] = np.concatenate(pending, 1).astype(np.float32).astype(np.float64)
    actions = u[DELAY : rows - 1].astype(np.float32)
    q, v = q[DELAY:rows], v[DELAY:rows]
    return logged_episode(q, v, actions, columns)


if __name__ == "__main__":
    main(tyro.cli(Options))
