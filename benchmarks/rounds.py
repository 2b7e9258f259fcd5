"""How many real steps does a good agent take, and what makes the rounds steady?

    python benchmarks/rounds.py --task InvertedPendulum Hopper HalfCheetah
    python benchmarks/rounds.py --task Hopper --variant base fresh no-penalty --seeds 3

fits by rounds from nothing, once for each task, variant and seed. It prints the real steps and the
minutes until an agent's trial outside first returned what the task asks, and the best trial. Then
come the return outside of the agent that was kept, in further episodes, how much the returns of
the later rounds swing, and the gap between inside and outside. `TARGETS` holds the tasks' settings,
`VARIANTS` what is changed in them. Every fit is a process of one thread with a folder of its own.
A finished round is not run again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from cells import Cell, Figures, fit_or_resume, lay_out, run_all
from rich.console import Console

from learned_envs import registry
from learned_envs.fit import FitConfig, TrainingConfig
from learned_envs.fit.config import RoundsConfig
from learned_envs.fit.folder import AGENT_FOLDER
from learned_envs.fit.round import Round, read_history
from learned_envs.sb3 import Agent, Improver
from learned_envs.transfer import episode_returns
from learned_envs.workers import usable_cores

EPISODES = 20
"""Episodes that score the agent that a fit keeps."""

SCORE_SEED = 1
"""Decides their starts."""


@dataclass(frozen=True)
class Target:
    """What is asked of a task, and how it is fitted.

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
"""The time limit of a variant's episodes inside, if not the task's own."""


@dataclass(frozen=True)
class Options:
    """Fit by rounds and see how many real steps it takes."""

    task: tuple[str, ...] = tuple(TARGETS)
    """Names of the tasks."""
    variant: tuple[str, ...] = ("base",)
    """Names of what is changed, from VARIANTS."""
    seeds: int = 1
    """Fits of each."""
    rounds: int | None = None
    """The most rounds; the task's own number if not given."""
    out: Path = Path("runs/rounds")
    """Where the fits are kept."""
    workers: int = usable_cores()
    """Fits at once."""


@dataclass(frozen=True)
class Fit(Cell):
    """A fit by rounds from nothing."""

    task: str
    variant: str
    seed: int
    out: Path
    rounds: int | None = None

    @property
    def folder(self) -> Path:
        """The fit's folder."""
        return self.out / self.task / self.variant / f"seed-{self.seed}"

    @property
    def config(self) -> FitConfig:
        """How it is fitted."""
        target = TARGETS[self.task]
        rounds = replace(target.rounds, **VARIANTS[self.variant])
        if self.rounds is not None:
            rounds = replace(rounds, count=self.rounds)
        training = TrainingConfig(horizons=(2, 4, 8), seed=1000 * self.seed)
        return FitConfig(options=target.options, training=training, rounds=rounds)

    @property
    def settings(self) -> Figures:
        """What the figures depend on."""
        score = {"episodes": EPISODES, "seed": SCORE_SEED}
        return {"fit": asdict(self.config), "variant": self.variant, "score": score}

    def run(self) -> Figures:
        """Fit, and score the agent that is kept."""

        def improver(task: str, rounds: RoundsConfig) -> Improver:
            steps = EPISODE_STEPS.get(self.variant)
            return replace(Improver.of(task, rounds), episode_steps=steps)

        fit_or_resume(self.task, self.folder, self.config, improver=improver)
        kept = Agent.load(self.folder / AGENT_FOLDER)
        score = episode_returns(kept, registry.reference_id(self.task), EPISODES, SCORE_SEED)
        rounds = [asdict(round) for round in read_history(self.folder)]
        return {"rounds": rounds, "score": score.tolist()}

    def line(self, figures: Figures) -> str:
        """Say what each round gave."""
        return "\n".join(
            f"{self.task}, {self.variant}, seed {self.seed}, {round.line()}"
            for round in history(figures)
        )


def history(figures: Figures) -> list[Round]:
    """Return the rounds of a fit."""
    return [Round(**round) for round in figures["rounds"]]


COLUMNS = (
    "variant",
    "seed",
    "steps to it",
    "minutes",
    "best",
    "kept agent",
    "later rounds",
    "gap",
    "in all",
)


def row(fit: Fit, figures: Figures) -> list[str]:
    """Return one fit's cells of `COLUMNS`."""
    rounds, score = history(figures), np.array(figures["score"])
    returns = np.array([round.outside for round in rounds])
    minutes = np.cumsum([round.minutes for round in rounds])
    target = TARGETS[fit.task].outside
    good = next((index for index, value in enumerate(returns) if value >= target), None)
    half = returns[len(returns) // 2 :]
    return [
        fit.variant,
        str(fit.seed),
        "never" if good is None else f"{rounds[good].real_steps:,}",
        "" if good is None else f"{minutes[good]:.0f}",
        f"{returns.max():,.0f} at {rounds[int(returns.argmax())].real_steps:,}",
        f"{score.mean():,.0f} ± {score.std():,.0f}",
        f"{half.mean():,.0f} ± {half.std():,.0f}",
        f"{np.median([round.gap for round in rounds]):.0%}",
        f"{minutes[-1]:.0f}",
    ]


def main(options: Options) -> None:
    console = Console(width=140)
    tasks = [registry.task_of(name) for name in options.task]
    fits = [
        Fit(task, variant, seed, options.out, options.rounds)
        for task in tasks
        for variant in options.variant
        for seed in range(options.seeds)
    ]
    run_all(fits, options.workers, console)
    for task in dict.fromkeys(tasks):
        title = f"{task}: from nothing to a return outside of {TARGETS[task].outside:,.0f}"
        finished = ((fit, fit.figures()) for fit in fits if fit.task == task)
        rows = [row(fit, figures) for fit, figures in finished if figures is not None]
        console.print(lay_out(title, COLUMNS, rows))


if __name__ == "__main__":
    main(tyro.cli(Options))
