"""How long does the same agent take to train inside and outside?

    python benchmarks/wall_time.py                   # about five minutes
    python benchmarks/wall_time.py --task HalfCheetah --steps 300000

trains one PPO agent of SB3 for a million steps inside, with the learned environment's default
settings. Then it trains one with the same hyperparameters and seed outside, in the same process. It
prints the seconds of each, how many of them the environments took, and the ratio.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from cells import lay_out
from rich.console import Console
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_real_vec_env
from stable_baselines3.common.vec_env import VecEnv

from learned_envs import registry
from learned_envs.sb3 import make_vec_env


@dataclass(frozen=True)
class Options:
    """Time the training of an agent inside and outside."""

    task: str = "Hopper"
    """Name of the task."""
    steps: int = 1_000_000
    """Environment steps of each training."""
    n_envs: int = 256
    """Environments stepped at once."""
    n_steps: int = 32
    """Steps of each between two rounds of learning."""
    batch_size: int = 2048
    """Transitions in one gradient step."""
    n_epochs: int = 6
    """Passes over the transitions of a round."""
    compile: bool = True
    """Step the learned environments in native code."""
    seed: int = 0
    """Seeds the agent and the environments."""
    json: Path | None = None
    """Where to write the figures as JSON."""


def train(envs: VecEnv, options: Options) -> tuple[float, float]:
    """Train the agent; return the seconds in all, and those of the environments."""
    spent = 0.0
    step_wait = envs.step_wait

    def timed_wait() -> Any:
        nonlocal spent
        begin = time.perf_counter()
        result = step_wait()
        spent += time.perf_counter() - begin
        return result

    envs.step_wait = timed_wait  # type: ignore[method-assign]
    with closing(envs):
        agent = PPO(
            "MlpPolicy",
            envs,
            n_steps=options.n_steps,
            batch_size=options.batch_size,
            n_epochs=options.n_epochs,
            seed=options.seed,
            device="cpu",
        )
        begin = time.perf_counter()
        agent.learn(options.steps)
        return time.perf_counter() - begin, spent


def main(options: Options) -> None:
    console = Console()
    task, n_envs, seed = options.task, options.n_envs, options.seed
    places: dict[str, Callable[[], VecEnv]] = {
        "inside": lambda: make_vec_env(task, n_envs, seed, env_kwargs={"compile": options.compile}),
        "outside": lambda: make_real_vec_env(registry.reference_id(task), n_envs, seed),
    }
    with console.status("training"):
        figures = {place: train(make(), options) for place, make in places.items()}
    rows = [(place, *(f"{seconds:.0f}" for seconds in of)) for place, of in figures.items()]
    columns = ("", "seconds", "of these, environments")
    console.print(lay_out(f"{options.task}, PPO", columns, rows))
    ratio = figures["outside"][0] / figures["inside"][0]
    console.print(f"{options.steps:,} steps: {ratio:.1f} times as fast inside as outside.")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
