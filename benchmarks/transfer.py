"""Does what an agent learns inside hold outside?

PPO (`AgentConfig`, normalised observations and rewards) is trained inside the learned environment
with default settings and scored inside and outside: deterministic, full episodes from the task's
own starts. Beside it stands the same agent, trained in the real environment for as many steps.
Every seed is a process of one thread.

    python benchmarks/transfer.py                    # Hopper, 1M steps, 3 seeds
    python benchmarks/transfer.py --task Hopper --steps 200000 --seeds 1 --json transfer.json
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import catalogue
from learned_envs.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from learned_envs.transfer import episode_returns, train_inside, train_outside


@dataclass(frozen=True)
class Options:
    """Train inside, score outside, beside training outside."""

    task: str = "Hopper"
    """The catalogue's name of the task."""
    steps: int = 1_000_000
    """Environment steps of each training."""
    seeds: int = 3
    """How many agents are trained inside, and how many outside."""
    episodes: int = 20
    """Episodes of each score."""
    checkpoint: Path | None = None
    """Weights or a fit's folder; the shipped weights by default."""
    workers: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    """Agents trained at once."""
    baseline: bool = True
    """Whether to train the same agent outside too."""
    record: bool = False
    """Write the returns of the agents trained inside into the card of the weights."""
    json: Path | None = None
    """Where to write the figures as JSON."""


@dataclass(frozen=True)
class Run:
    """One agent: where it was trained, how long that took, and what it is worth."""

    seed: int
    trained: str
    minutes: float
    inside: list[float]
    outside: list[float]


def train_and_score(options: Options, trained: str, seed: int) -> Run:
    torch.set_num_threads(1)
    begin = time.perf_counter()
    if trained == "inside":
        agent = train_inside(options.task, options.steps, seed, options.checkpoint)
    else:
        agent = train_outside(options.task, options.steps, seed)
    minutes = (time.perf_counter() - begin) / 60
    task, episodes = catalogue.task_of(options.task), options.episodes
    weights = {"checkpoint": options.checkpoint}
    inside = episode_returns(agent, catalogue.env_id(task), episodes, seed, weights)
    outside = episode_returns(agent, catalogue.reference_id(task), episodes, seed)
    return Run(seed, trained, minutes, inside.tolist(), outside.tolist())


def record_returns(options: Options, runs: list[Run]) -> None:
    """Add what agents trained inside are worth to the card of the weights."""
    path = find_checkpoint(options.checkpoint or catalogue.env_id(options.task))
    dynamics, card = load_checkpoint(path)
    returns = {
        "agent": f"PPO, {options.steps:,} steps inside",
        "seeds": [run.seed for run in runs],
        "inside": [round(float(np.mean(run.inside)), 1) for run in runs],
        "outside": [round(float(np.mean(run.outside)), 1) for run in runs],
    }
    save_checkpoint(path, dynamics, {**card, "returns": returns})


def spread(values: list[float]) -> str:
    return f"{np.mean(values):,.0f} ± {np.std(values):,.0f}"


def lay_out(options: Options, runs: list[Run]) -> Table:
    columns = ("trained", "seed", "return inside", "return outside", "outside / inside", "minutes")
    table = Table(
        *columns,
        title=f"PPO on {options.task}, {options.steps:,} steps",
        caption=f"mean ± std of {options.episodes} deterministic episodes; in the last row of "
        "each block, of the seeds' means",
    )
    for column in table.columns[2:]:
        column.justify = "right"
    for trained in sorted({run.trained for run in runs}):
        block = sorted((run for run in runs if run.trained == trained), key=lambda run: run.seed)
        for run in block:
            ratio = np.mean(run.outside) / np.mean(run.inside)
            scores = spread(run.inside), spread(run.outside), f"{ratio:.2f}"
            table.add_row(trained, str(run.seed), *scores, f"{run.minutes:.1f}")
        inside = [float(np.mean(run.inside)) for run in block]
        outside = [float(np.mean(run.outside)) for run in block]
        scores = spread(inside), spread(outside), f"{np.mean(outside) / np.mean(inside):.2f}"
        minutes = f"{np.mean([run.minutes for run in block]):.1f}"
        table.add_row(trained, "all", *scores, minutes, style="bold", end_section=True)
    return table


def main(options: Options) -> None:
    console = Console()
    # Set before the processes start: threads of one would take the cores of the other.
    os.environ["OMP_NUM_THREADS"] = "1"
    places = ("inside", "outside") if options.baseline else ("inside",)
    jobs = [(place, seed) for place in places for seed in range(options.seeds)]
    runs = []
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for done in as_completed(pool.submit(train_and_score, options, *job) for job in jobs):
            run = done.result()
            runs.append(run)
            console.print(
                f"trained {run.trained}, seed {run.seed}: inside {spread(run.inside)}, "
                f"outside {spread(run.outside)}, {run.minutes:.1f} minutes"
            )
    console.print(lay_out(options, runs))
    if options.record:
        record_returns(options, [run for run in runs if run.trained == "inside"])
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
