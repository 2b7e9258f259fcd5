"""Step a vector environment millions of times: no NaN reaches the user, and memory stays flat.

    python benchmarks/soak.py --steps 5000000

acts at random, over the whole range and beyond. It fails at the first number that is not finite,
and says at which step. It prints resident memory along the way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import tyro
from cells import lay_out
from rich.console import Console

import learned_envs  # noqa: F401

PAGE = 4096


@dataclass(frozen=True)
class Soak:
    """Step a vector environment for a long time."""

    env_id: str = "LearnedSim-Hopper-v0"
    """The environment."""
    steps: int = 5_000_000
    """Environment steps in all."""
    num_envs: int = 1024
    """Environments stepped at once."""
    reports: int = 5
    """How many times to report."""
    cut: bool = False
    """Cut episodes by disagreement, as by default; without it they go further off the data."""


def main(args: Soak) -> None:
    limits = {} if args.cut else {"max_disagreement": None}
    envs = gym.make_vec(args.env_id, num_envs=args.num_envs, **limits)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    rows = []
    rounds = args.steps // args.num_envs
    ended = diverged = 0
    start = time.perf_counter()
    for t in range(1, rounds + 1):
        observation, reward, terminated, truncated, infos = envs.step(
            1.5 * envs.action_space.sample()
        )
        numbers = [observation, reward, *(v for v in infos.values() if v.dtype.kind == "f")]
        if not all(np.isfinite(array).all() for array in numbers):
            raise SystemExit(f"A number that is not finite reached the user in round {t}.")
        ended += int((terminated | truncated).sum())
        diverged += int(infos["diverged"].sum()) if "diverged" in infos else 0
        if t % max(rounds // args.reports, 1) == 0:
            done = t * args.num_envs
            rate = done / (time.perf_counter() - start)
            megabytes = f"{resident_megabytes():.0f}"
            rows.append([f"{done:,}", megabytes, f"{ended:,}", f"{diverged:,}", f"{rate:,.0f}"])
    columns = ("env-steps", "resident MB", "episodes ended", "diverged", "steps/s")
    Console().print(lay_out(args.env_id, columns, rows))


def resident_megabytes() -> float:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


if __name__ == "__main__":
    main(tyro.cli(Soak))
