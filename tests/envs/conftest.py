"""Many learned Hoppers, as the tests of vector environments make them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import learned_envs  # noqa: F401


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    def build(num_envs: int, **kwargs: Any) -> Any:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        return gym.make_vec("LearnedSim-Hopper-v0", num_envs=num_envs, **kwargs)

    return build


@pytest.fixture
def make_single(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    def build(**kwargs: Any) -> Any:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        return gym.make("LearnedSim-Hopper-v0", **kwargs).unwrapped

    return build


@pytest.fixture
def make_sync(checkpoint: Callable[[str], Path]) -> Callable[..., SyncVectorEnv]:
    def build(num_envs: int, mode: AutoresetMode, **kwargs: Any) -> SyncVectorEnv:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        one = [lambda: gym.make("LearnedSim-Hopper-v0", **kwargs)] * num_envs
        return SyncVectorEnv(one, autoreset_mode=mode)

    return build
