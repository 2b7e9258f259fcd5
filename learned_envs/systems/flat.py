"""Observations and actions of any shape, as one row of numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Space, Tuple

from learned_envs.errors import SystemSpecError

Array = np.ndarray[Any, Any]

IMAGE = 3
"""Dimensions of a picture."""


def flat(space: Space[Any], value: Any) -> Array:
    """Lay an observation or an action end to end, (n,) float64.

    Dicts and tuples are laid out in the order of `gymnasium.spaces.utils.flatten`. Numbers are kept
    as they are, whatever dtype the space declares.
    """
    if isinstance(space, Dict):
        return _joined([flat(part, value[name]) for name, part in space.spaces.items()])
    if isinstance(space, Tuple):
        return _joined([flat(part, each) for part, each in zip(space.spaces, value, strict=True)])
    return np.array(value, dtype=np.float64).ravel()


def flattened(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Wrap an environment whose observations or actions are not one row of numbers.

    One whose are is returned as it is.
    """
    seen, acts = env.observation_space, env.action_space
    if not isinstance(seen, Box) or len(seen.shape) != 1:
        env = gym.wrappers.FlattenObservation(env)
    if isinstance(acts, Box) and len(acts.shape) != 1:
        shape = acts.shape
        row = Box(acts.low.ravel(), acts.high.ravel(), dtype=acts.dtype.type)
        env = gym.wrappers.TransformAction(env, lambda action: np.reshape(action, shape), row)
    return env


def expect_numbers(space: Space[Any], name: str) -> None:
    """Check that observations are numbers: a Box, or a Dict or Tuple of some.

    Raises:
        SystemSpecError: if they are pictures, counts or text.
    """
    if isinstance(space, Dict):
        for key, part in space.spaces.items():
            expect_numbers(part, f"{name}[{key!r}]")
        return
    if isinstance(space, Tuple):
        for index, part in enumerate(space.spaces):
            expect_numbers(part, f"{name}[{index}]")
        return
    if not isinstance(space, Box):
        raise SystemSpecError(
            f"{name} is {space}, expected a Box of numbers, or a Dict of some. Give the "
            "environment numbers to observe."
        )
    if space.dtype == np.uint8 and len(space.shape) >= IMAGE:
        raise SystemSpecError(
            f"{name} is pictures, {space.shape} of uint8, expected numbers. Learn the environment "
            "with observations of its state, and draw pictures of what it predicts."
        )


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts) if parts else np.zeros(0)
