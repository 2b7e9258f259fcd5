"""How many real steps does a good agent take, and what makes the rounds steady?

    python benchmarks/rounds.py --task InvertedPendulum Hopper HalfCheetah
    python benchmarks/rounds.py --task Hopper --variant base fresh no-penalty --seeds 3

fits by rounds from nothing, once for each task, variant and seed, and prints the real steps and the
minutes until an agent's trial outside first returned what the task asks, the best trial, what the
agent that was kept returns outside in episodes of their own, how much the returns of the later
rounds swing, and how far inside is from outside. `TARGETS` holds the tasks' settings, `VARIANTS`
what is changed of them. Every fit is a process of one thread with a folder of its own; a
finished round is not run again.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import catalogue
from learned_envs.fit import FitConfig, TrainingConfig, fit
from learned_envs.fit.config import RoundsConfig
from learned_envs.fit.folder import AGENT_FOLDER, CONFIG_FILE, ROUNDS_FILE
from learned_envs.fit.round import Round
from learned_envs.sb3 import Agent, Improver
from learned_envs.transfer import episode_returns
from learned_envs.workers import run_in_order, usable_cores

EPISODES = 20
"""Of the score of the agent that a fit keeps."""

SCORE_SEED = 1
"""Decides their starts."""


@dataclass(frozen=True)
class Target:
    """What is asked of a task, and how it is gone about.

    Attributes:
        outside: the return outside that counts as good.
        rounds: how model and agent are improved.
        options: of the model family.
    """

    outside: float
    rounds: RoundsConfig
    options: dict[str, Any] = field(default_factory=dict)


TARGETS = {
    "InvertedPendulum": Target(
        950,
        RoundsConfig(count=3, steps_per_round=1_666, updates_per_round=1_500, agent_steps=200_000),
        {"hidden": (128, 128)},
    ),
    "Hopper": Target(2_000, RoundsConfig(count=20, steps_per_round=10_000)),
    "HalfCheetah": Target(3_000, RoundsConfig(count=10, steps_per_round=20_000)),
}

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no-penalty": {"penalty": 0.0},
    "strong-penalty": {"penalty": 3.0},
    "fresh": {"fresh": True},
    "own-starts": {"start_fraction": 0.0},
    "recorded-starts": {"start_fraction": 1.0},
    "short-episodes": {},
    "longer-agent": {"agent_steps": 1_000_000},
    "sac": {"algorithm": "sac", "agent_steps": 50_000},
}


EPISODE_STEPS = {"short-episodes": 200}
"""Where a variant's episodes inside end, if not by the task's own limit."""


@dataclass(frozen=True)
class Options:
    """Fit by rounds and see how many real steps it takes."""

    task: tuple[str, ...] = tuple(TARGETS)
    """Names of the tasks."""
    variant: tuple[str, ...] = ("base",)
    """Names of what is changed."""
    seeds: int = 1
    """Fits of each."""
    rounds: int | None = None
    """Rounds at most; the task's own number if not given."""
    out: Path = Path("runs/rounds")
    """Where the fits are kept."""
    workers: int = usable_cores()
    """Fits at once."""


@dataclass(frozen=True)
class Cell:
    """One fit."""

    task: str
    variant: str
    seed: int
    out: Path
    rounds: int | None = None

    @property
    def folder(self) -> Path:
        """Where the fit is kept."""
        return self.out / self.task / self.variant / f"seed-{self.seed}"

    def history(self) -> list[Round]:
        """Return what its rounds gave."""
        return [Round(**figures) for figures in json.loads((self.folder / ROUNDS_FILE).read_text())]


def run(cell: Cell) -> None:
    target = TARGETS[cell.task]
    rounds = replace(target.rounds, **VARIANTS[cell.variant])
    if cell.rounds is not None:
        rounds = replace(rounds, count=cell.rounds)
    config = FitConfig(
        options=target.options,
        training=TrainingConfig(horizons=(2, 4, 8), seed=1000 * cell.seed),
        rounds=rounds,
    )

    def improver(task: str, rounds: RoundsConfig) -> Improver:
        return replace(Improver.of(task, rounds), episode_steps=EPISODE_STEPS.get(cell.variant))

    resume = (cell.folder / CONFIG_FILE).exists()
    fit(cell.task, cell.folder, config, improver=improver, resume=resume)


def row(cell: Cell) -> list[str]:
    """Lay one fit out."""
    history, target = cell.history(), TARGETS[cell.task].outside
    returns = np.array([round.outside for round in history])
    minutes = np.cumsum([round.minutes for round in history])
    kept = Agent.load(cell.folder / AGENT_FOLDER)
    score = episode_returns(kept, catalogue.reference_id(cell.task), EPISODES, SCORE_SEED)
    good = next((index for index, value in enumerate(returns) if value >= target), None)
    half = returns[len(returns) // 2 :]
    return [
        cell.variant,
        str(cell.seed),
        "never" if good is None else f"{history[good].real_steps:,}",
        "" if good is None else f"{minutes[good]:.0f}",
        f"{returns.max():,.0f} at {history[int(returns.argmax())].real_steps:,}",
        f"{score.mean():,.0f} ± {score.std():,.0f}",
        f"{half.mean():,.0f} ± {half.std():,.0f}",
        f"{np.median([round.gap for round in history]):.0%}",
        f"{minutes[-1]:.0f}",
    ]


def main(options: Options) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    console = Console(width=140)
    cells = [
        Cell(catalogue.task_of(task), variant, seed, options.out, options.rounds)
        for task in options.task
        for variant in options.variant
        for seed in range(options.seeds)
    ]
    with closing(run_in_order(run, cells, options.workers)) as done:
        for cell, _ in zip(cells, done, strict=True):
            for round in cell.history():
                console.print(f"{cell.task}, {cell.variant}, seed {cell.seed}, {round.line()}")
    for task in dict.fromkeys(cell.task for cell in cells):
        table = Table(
            "variant",
            "seed",
            "steps to it",
            "minutes",
            "best",
            "kept agent",
            "later rounds",
            "gap",
            "in all",
            title=f"{task}: from nothing to a return outside of {TARGETS[task].outside:,.0f}",
        )
        for cell in cells:
            if cell.task == task:
                table.add_row(*row(cell))
        console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
