"""Does what an agent learns inside work outside?

    python benchmarks/transfer.py                    # every task with weights, 3 seeds
    python benchmarks/transfer.py --task Hopper Walker2d --seeds 1

trains each task's agent (PPO, `AgentConfig.of(task)`, normalised observations and rewards) inside,
with the learned environment's default settings, and outside for as many steps. It scores both on
full episodes from the task's own starts. The score and the gap are

    score = (trained inside, outside - random) / (trained outside - random)
    gap   = (trained inside, inside - trained inside, outside) / |trained inside, outside|

"Trained inside, outside" is the return outside of the agent that was trained inside. The score of
the worst seed is that of its agent alone.

    PYTHONPATH=. python benchmarks/transfer.py --task ant:AntTurning-v0 --checkpoint Ant

trains inside the model of Ant, with the rules of another environment of the same system.

Every agent is trained in a process of one thread and has a folder, such as
`runs/transfer/TASK/inside-SEED`. An agent of the same settings and weights that is there already is
not trained again, so a run that was killed goes on with the same command. `--record` writes the
figures into the card of the weights; `benchmarks/tables.py` takes them from there.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from cells import Cell, Figures, folder_of, lay_out, run_all, tasks_of
from rich.console import Console
from tables import add_to_card

from learned_envs import registry
from learned_envs.checkpoint import read_card
from learned_envs.sb3 import AgentConfig
from learned_envs.systems.reference import make_reference
from learned_envs.transfer import (
    Comparison,
    Policy,
    episode_returns,
    random_policy,
    train_inside,
    train_outside,
)
from learned_envs.workers import usable_cores

Place = Literal["random", "inside", "outside"]


@dataclass(frozen=True)
class Options:
    """Train inside, score outside, and compare with training outside."""

    task: tuple[str, ...] = ()
    """Names of tasks; all with shipped weights if not given."""
    steps: int | None = None
    """Environment steps of each training; as many as the task's agent takes if not given."""
    seeds: int = 3
    """How many agents are trained inside, and how many outside."""
    episodes: int = 20
    """Episodes of each score."""
    checkpoint: Path | None = None
    """A checkpoint or a fit's folder, of one task; the shipped weights if not given."""
    trained: tuple[Literal["inside", "outside"], ...] = ("inside", "outside")
    """Where to train now; training outside needs no weights."""
    out: Path = Path("runs/transfer")
    """Where agents are kept."""
    workers: int = usable_cores()
    """Agents trained at once."""
    record: bool = False
    """Write the figures into the card of the weights."""


@dataclass(frozen=True)
class Run(Cell):
    """One agent to train and score.

    Attributes:
        task: name of the task.
        place: where it is trained; "random" is the agent that acts at random.
        seed: decides the training and the starts of the scored episodes.
        options: what all agents share.
    """

    task: str
    place: Place
    seed: int
    options: Options

    @property
    def folder(self) -> Path:
        """The agent's folder."""
        return self.options.out / folder_of(self.task) / f"{self.place}-{self.seed}"

    @property
    def config(self) -> AgentConfig:
        """The agent's settings, and how long it is trained: those of the robot."""
        checkpoint = self.options.checkpoint
        own = AgentConfig.of(self.task if checkpoint is None else read_card(checkpoint).task)
        return replace(own, steps=self.options.steps or own.steps)

    @property
    def settings(self) -> Figures:
        """All that a score depends on."""
        weights, agent = None, asdict(self.config)
        if self.place == "inside":
            weights = read_card(self.options.checkpoint or registry.env_id(self.task)).sha256
        else:
            # A real environment has none.
            del agent["process_noise"]
        own = {"task": self.task, "place": self.place, "seed": self.seed, "agent": agent}
        return {**own, "episodes": self.options.episodes, "weights": weights}

    def run(self) -> Figures:
        """Train, save and score."""
        begin = time.perf_counter()
        policy = self._policy()
        figures: Figures = {"minutes": (time.perf_counter() - begin) / 60}
        score = partial(episode_returns, policy, episodes=self.options.episodes, seed=self.seed)
        real = registry.task_entry(self.task)
        figures["outside"] = score(real.reference_id, env_kwargs=real.kwargs).tolist()
        if self.place == "inside":
            inside = {"checkpoint": self.options.checkpoint, **self._rules}
            figures["inside"] = score(registry.env_id(self.task), env_kwargs=inside).tolist()
        return figures

    def line(self, figures: Figures) -> str:
        """Say what the agent returns."""
        scores = ", ".join(
            f"{place} {np.mean(figures[place]):,.5g} ± {np.std(figures[place]):,.3g}"
            for place in ("inside", "outside")
            if place in figures
        )
        minutes = f"{figures['minutes']:.1f} minutes"
        return f"{self.task}, {self.place}, seed {self.seed}: {scores}, {minutes}"

    @property
    def _rules(self) -> dict[str, str]:
        """What says whose rules judge the model, if not those that it was fitted with."""
        checkpoint = self.options.checkpoint
        own = checkpoint is None or read_card(checkpoint).task == self.task
        return {} if own else {"reference": self.task}

    def _policy(self) -> Policy:
        if self.place == "random":
            with closing(make_reference(self.task)) as env:
                space: Any = env.action_space
                return random_policy(space, self.seed)
        task, config, seed = self.task, self.config, self.seed
        if self.place == "inside":
            checkpoint, rules = self.options.checkpoint, self._rules
            agent = train_inside(task, config.steps, seed, checkpoint, config, rules)
        else:
            agent = train_outside(task, config.steps, seed, config)
        agent.save(self.folder)
        return agent


def plan(options: Options, task: str) -> list[Run]:
    """List a task's agents, including those that are there already."""
    trained = [
        Run(task, place, seed, options)
        for place in options.trained
        for seed in range(options.seeds)
    ]
    return [Run(task, "random", 0, options), *trained]


def compare(options: Options, runs: list[Run]) -> Comparison | None:
    """Put the figures of a task's agents together; None if some are missing."""
    results = [(run.place, run.figures()) for run in runs]
    if any(figures is None for _, figures in results):
        return None

    def means(place: Place, figure: str) -> list[float]:
        of = (figures[figure] for where, figures in results if figures and where == place)
        return [float(f"{np.mean(values):.5g}") for values in of]

    return Comparison(
        agent={"algorithm": "PPO", **asdict(runs[0].config)},
        episodes=options.episodes,
        seeds=list(range(options.seeds)),
        inside=means("inside", "inside"),
        outside=means("inside", "outside"),
        trained_outside=means("outside", "outside"),
        random=means("random", "outside")[0],
        minutes={
            place: round(float(np.mean(means(place, "minutes"))), 1)
            for place in ("inside", "outside")
        },
    )


def worst(comparison: Comparison) -> str:
    """Return the score of the worst agent trained inside, as text."""
    gain = np.mean(comparison.trained_outside) - comparison.random
    return f"{(min(comparison.outside) - comparison.random) / gain:.2f}" if gain > 0 else "none"


def main(options: Options) -> None:
    console = Console(width=140)
    if options.record and options.checkpoint is not None:
        for task in options.task:
            read_card(options.checkpoint, registry.task_of(task))
    plans = {task: plan(options, task) for task in tasks_of(options.task)}
    run_all([run for runs in plans.values() for run in runs], options.workers, console)
    if set(options.trained) != {"inside", "outside"}:
        return
    compared = {task: compare(options, runs) for task, runs in plans.items()}
    comparisons = {task: each for task, each in compared.items() if each is not None}
    rows = [(task, *each.cells(), worst(each)) for task, each in comparisons.items()]
    title = "every seed, and their mean in brackets"
    console.print(lay_out(title, ("task", *Comparison.COLUMNS, "worst seed"), rows))
    if options.record:
        for task, comparison in comparisons.items():
            checkpoint = options.checkpoint or registry.env_id(task)
            add_to_card(checkpoint, returns=comparison.to_dict())


if __name__ == "__main__":
    main(tyro.cli(Options))
