"""Learned Hoppers as SB3 takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.vec_env import VecMonitor

import learned_envs  # noqa: F401
from learned_envs.sb3 import make_vec_env


@pytest.fixture
def make(weights: Path) -> Callable[..., VecMonitor]:
    def make(n_envs: int = 4, seed: int | None = 0, **arguments: Any) -> VecMonitor:
        return make_vec_env(
            "LearnedSim-Hopper-v0",
            n_envs,
            seed,
            env_kwargs={"checkpoint": weights} | arguments,
        )

    return make
