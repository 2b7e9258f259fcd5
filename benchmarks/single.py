"""What does a step of a single environment cost in numpy code, in C++ code and in torch?

    python benchmarks/single.py

prints, for each task, the microseconds of a step each way, and the seconds of the first reset and
step, which derive the code. Run it with TORCHINDUCTOR_CACHE_DIR set to an empty folder to see what
C++ code takes that was not compiled before.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
import tyro
from rich.console import Console
from rich.table import Table

import learned_envs  # noqa: F401  registers LearnedSim-*
from learned_envs import registry, stepping
from learned_envs.evaluation.speed import measure, random_actions
from learned_envs.stepping import Way

COLUMNS = {"numpy": Way.NUMPY, "C++": Way.CPP, "torch": Way.TORCH}


@dataclass(frozen=True)
class Options:
    """Time the ways to step a single environment."""

    task: tuple[str, ...] = ("InvertedPendulum", "Hopper", "HalfCheetah")
    """Names of tasks with shipped weights."""
    seconds: float = 1.0
    """Time for each figure."""


def cell(task: str, way: Way, max_disagreement: Any, seconds: float) -> str:
    """Step one environment one way, and say what a step and the first one cost."""
    # Of all the ways that there are, this one or torch.
    stepping.WAYS["cpu", "row", False] = (way, Way.TORCH)
    made = gym.make(
        registry.env_id(task), max_disagreement=max_disagreement, disable_env_checker=True
    )
    with closing(made.unwrapped) as env:
        actions = random_actions(env.action_space)
        begin = time.perf_counter()
        env.reset(seed=0)
        env.step(next(actions))
        first = time.perf_counter() - begin
        speed = measure(lambda: env.step(next(actions)), 1, seconds)
    return f"{1e6 / speed:,.0f} ({first:.2g} s)"


def main(options: Options) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    table = Table("task, max_disagreement", *COLUMNS, title="microseconds a step (the first)")
    for task in options.task:
        for limit in ("auto", None):
            cells = (cell(task, way, limit, options.seconds) for way in COLUMNS.values())
            table.add_row(f"{task}, {limit}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
