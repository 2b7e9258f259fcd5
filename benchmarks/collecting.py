"""Real steps a second that a collection records: one environment at a time, and many in lockstep.

Times are CPU seconds of one process with one thread, so that other work on the machine matters
little. A collection has a process for each core. What a process does once is left out: it is the
time of a short collection, which is subtracted.

    python benchmarks/collecting.py
    python benchmarks/collecting.py --tasks Ant-v5 --steps 30000
"""

from __future__ import annotations

import tempfile
import time
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mujoco
import torch
import tyro
from machine import processor

from learned_envs.collect.asking import ask
from learned_envs.collect.collection import collect
from learned_envs.collect.hindrance import hindrance
from learned_envs.collect.recorded import RecordedEnvs
from learned_envs.sb3 import AgentConfig, learn_outside
from learned_envs.systems.reference import make_reference

PHYSICS = mujoco.mj_step


@dataclass(frozen=True)
class Options:
    """Measure how fast real environments are recorded."""

    tasks: tuple[str, ...] = ("Ant-v5", "Humanoid-v5")
    """Names of tasks."""
    steps: int = 20_000
    """Steps that each figure is measured over."""


class Clock:
    """Counts the time that MuJoCo's own steps take."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0

    def __call__(self, *args: Any, **options: Any) -> None:
        """Step MuJoCo."""
        begin = time.thread_time()
        PHYSICS(*args, **options)
        self.seconds += time.thread_time() - begin
        self.calls += 1


def spent(task: str, steps: int, learner: bool) -> tuple[float, float, int]:
    """Record; return CPU seconds, those of one call of MuJoCo's step, and the steps."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, patch.object(mujoco, "mj_step", clock):
        begin = time.process_time()
        drivers = {"ppo": learn_outside} if learner else {}
        path = Path(folder) / "data"
        data = collect(task, steps, path, drivers=drivers, random=not learner, workers=1)
        return time.process_time() - begin, clock.seconds / max(clock.calls, 1), data.steps


def rates(task: str, steps: int, learner: bool) -> tuple[float, float]:
    """Return the steps of a CPU second, and how many of them physics alone would take."""
    config = AgentConfig.of(task)
    short = config.n_envs * config.n_steps if learner else steps // 5
    first, _, few = spent(task, short, learner)
    second, physics, many = spent(task, steps + short, learner)
    return (many - few) / (second - first), 1 / physics


def main(options: Options) -> None:
    """Print a table."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{processor()}, MuJoCo {mujoco.__version__}; steps a CPU second of one core")
    print("| task | who acts | one at a time | in lockstep | ratio | physics alone |")
    print("|---|---|---|---|---|---|")
    for task in options.tasks:
        with closing(make_reference(task)) as env:
            why = hindrance(ask(task).task, env)
        for learner in (False, True):
            with patch.object(RecordedEnvs, "lockstep", lambda self, count: None):
                single, physics = rates(task, options.steps, learner)
            row = f"| {task} | {'a learner' if learner else 'random'} | {single:,.0f} "
            if why is None:
                many, physics = rates(task, options.steps, learner)
                row += f"| {many:,.0f} | {many / single:.2f} "
            else:
                row += "| - | - "
            print(f"{row}| {physics:,.0f} |", flush=True)
        if why is not None:
            print(f"  {task} is not stepped in lockstep: {why}.")


if __name__ == "__main__":
    main(tyro.cli(Options))
