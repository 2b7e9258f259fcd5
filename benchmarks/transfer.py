"""Does what an agent learns inside hold outside?

    python benchmarks/transfer.py                    # every task with weights, 3 seeds
    python benchmarks/transfer.py --task Hopper Walker2d --seeds 1

trains each task's agent (PPO, `AgentConfig.of(task)`, normalised observations and rewards) inside
the learned environment with default settings, and outside in the real one for as many steps, and
scores both on full episodes from the task's own starts. The score of training inside is

    (return of the trained inside - random) / (return of the trained outside - random),

all outside; the gap is what the return inside promises beyond that outside, as a share of the
latter.

Every agent is a process of one thread and leaves a folder, `runs/transfer/TASK/inside-SEED`, say.
What is there already, of the same settings and, inside, of the same weights, is not trained again:
a run that was killed goes on with the same command. `--record` writes the figures into the card of
the weights, from where `benchmarks/tables.py` takes them.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import catalogue
from learned_envs.checkpoint import find_checkpoint, load_checkpoint, read_card, save_checkpoint
from learned_envs.sb3 import AgentConfig
from learned_envs.systems.reference import make_reference
from learned_envs.transfer import (
    Comparison,
    episode_returns,
    random_policy,
    train_inside,
    train_outside,
)
from learned_envs.workers import run_in_order, usable_cores

Place = Literal["random", "inside", "outside"]

RESULT_FILE = "result.json"
"""What an agent's folder calls its figures."""


@dataclass(frozen=True)
class Options:
    """Train inside, score outside, beside training outside."""

    task: tuple[str, ...] = ()
    """Names of tasks; all with shipped weights if not given."""
    steps: int | None = None
    """Environment steps of each training; those of the task's agent if not given."""
    seeds: int = 3
    """How many agents are trained inside, and how many outside."""
    episodes: int = 20
    """Episodes of each score."""
    checkpoint: Path | None = None
    """Weights or a fit's folder, of one task; the shipped weights by default."""
    trained: tuple[Literal["inside", "outside"], ...] = ("inside", "outside")
    """Where to train now; training outside needs no weights."""
    out: Path = Path("runs/transfer")
    """Where agents are kept."""
    workers: int = usable_cores()
    """Agents trained at once."""
    record: bool = False
    """Write the figures into the card of the weights."""


@dataclass(frozen=True)
class Run:
    """One agent to train and score.

    Attributes:
        task: the catalogue's name.
        place: where it is trained; "random" is the agent that acts at random.
        seed: of the training and of the scores' starts.
        steps: environment steps of the training.
        episodes: of each score.
        checkpoint: where the weights are.
        weights: their checksum, for an agent trained inside.
        folder: the agent's.
    """

    task: str
    place: Place
    seed: int
    steps: int
    episodes: int
    checkpoint: Path | None
    weights: str | None
    folder: Path

    @property
    def settings(self) -> dict[str, Any]:
        """All that a result depends on."""
        agent = {**asdict(AgentConfig.of(self.task)), "steps": self.steps}
        plain = {name: getattr(self, name) for name in ("task", "place", "seed", "episodes")}
        return {**plain, "agent": agent, "weights": self.weights}

    def result(self) -> dict[str, Any] | None:
        """Return what the folder holds, if it is of these settings."""
        try:
            result: dict[str, Any] = json.loads((self.folder / RESULT_FILE).read_text())
        except FileNotFoundError:
            return None
        return result if self.settings.items() <= result.items() else None


def plan(options: Options, task: str) -> list[Run]:
    """List a task's agents, those that are there already among them."""
    weights = None
    if "inside" in options.trained:
        source = options.checkpoint or catalogue.env_id(task)
        weights = read_card(source, task).sha256
    steps = options.steps or AgentConfig.of(task).steps
    places: list[tuple[Place, int]] = [("random", 0)]
    places += [(place, seed) for place in options.trained for seed in range(options.seeds)]
    return [
        Run(
            task,
            place,
            seed,
            steps,
            options.episodes,
            options.checkpoint,
            weights if place == "inside" else None,
            options.out / task / f"{place}-{seed}",
        )
        for place, seed in places
    ]


def train_and_score(run: Run) -> None:
    """Leave an agent and its figures in its folder."""
    torch.set_num_threads(1)
    run.folder.mkdir(parents=True, exist_ok=True)
    result = run.folder / RESULT_FILE
    # Figures must not outlive the agent that they are of.
    result.unlink(missing_ok=True)
    begin = time.perf_counter()
    if run.place == "random":
        with closing(make_reference(run.task)) as env:
            policy = random_policy(env.action_space, run.seed)
    else:
        if run.place == "inside":
            policy = train_inside(run.task, run.steps, run.seed, run.checkpoint)
        else:
            policy = train_outside(run.task, run.steps, run.seed)
        policy.save(run.folder)
    figures = {"minutes": (time.perf_counter() - begin) / 60}
    outside = catalogue.reference_id(run.task)
    figures["outside"] = episode_returns(policy, outside, run.episodes, run.seed).tolist()
    if run.place == "inside":
        inside, weights = catalogue.env_id(run.task), {"checkpoint": run.checkpoint}
        returns = episode_returns(policy, inside, run.episodes, run.seed, weights)
        figures["inside"] = returns.tolist()
    temporary = result.with_suffix(".tmp")
    temporary.write_text(json.dumps({**run.settings, **figures}, indent=1))
    temporary.replace(result)


def say(console: Console, run: Run) -> None:
    figures = run.result()
    assert figures is not None
    scores = ", ".join(
        f"{place} {np.mean(figures[place]):,.5g} ± {np.std(figures[place]):,.3g}"
        for place in ("inside", "outside")
        if place in figures
    )
    minutes = f"{figures['minutes']:.1f} minutes"
    console.print(f"{run.task}, {run.place}, seed {run.seed}: {scores}, {minutes}")


def compare(options: Options, runs: list[Run]) -> Comparison:
    """Put the figures of a task's agents together."""
    results = [run.result() for run in runs]

    def means(place: Place, figure: str) -> list[float]:
        of = (result[figure] for result in results if result and result["place"] == place)
        return [float(f"{np.mean(values):.5g}") for values in of]

    return Comparison(
        agent={"algorithm": "PPO", **runs[0].settings["agent"]},
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


def record(options: Options, task: str, comparison: Comparison) -> None:
    """Write the figures into the card of the weights."""
    path = find_checkpoint(options.checkpoint or catalogue.env_id(task))
    dynamics, card = load_checkpoint(path)
    save_checkpoint(path, dynamics, {**card, "returns": comparison.to_dict()})


def lay_out(comparisons: dict[str, Comparison]) -> Table:
    table = Table("task", *Comparison.COLUMNS, caption="every seed, and their mean in brackets")
    for task, comparison in comparisons.items():
        table.add_row(task, *comparison.cells())
    return table


def main(options: Options) -> None:
    console = Console(width=140)
    # Set before the processes start: threads of one would take the cores of the other.
    os.environ["OMP_NUM_THREADS"] = "1"
    shipped = [task for task in catalogue.TASKS if catalogue.shipped_weights(task).is_file()]
    tasks = [catalogue.task_of(name) for name in options.task] or shipped
    plans = {task: plan(options, task) for task in tasks}
    waiting = [run for runs in plans.values() for run in runs if run.result() is None]
    with closing(run_in_order(train_and_score, waiting, options.workers)) as done:
        for run, _ in zip(waiting, done, strict=True):
            say(console, run)
    if set(options.trained) != {"inside", "outside"}:
        return
    comparisons = {task: compare(options, runs) for task, runs in plans.items()}
    console.print(lay_out(comparisons))
    if options.record:
        for task, comparison in comparisons.items():
            record(options, task, comparison)


if __name__ == "__main__":
    main(tyro.cli(Options))
