"""What a vector environment hands out stays as it is, and may be written to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import learned_envs  # noqa: F401

COUNT = 3


def parts(value: Any) -> Iterator[Any]:
    """List the arrays or tensors of what was handed out."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple):
        yield value
        return
    for entry in value:
        yield from parts(entry)


def copied(part: Any) -> Any:
    return part.clone() if isinstance(part, torch.Tensor) else part.copy()


def same(one: Any, other: Any) -> bool:
    if one.dtype == object:
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    return bool((np.asarray(one) == np.asarray(other)).all())


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_nothing_is_shared_between_steps_nor_with_the_environments(
    checkpoint: Callable[[str], Path], mode: AutoresetMode, tensors: bool
) -> None:
    options = {"autoreset_mode": mode, "tensors": tensors, "max_episode_steps": 4}
    envs, twin = (
        gym.make_vec("LearnedSim-Hopper-v0", COUNT, checkpoint=checkpoint("Hopper"), **options)
        for _ in range(2)
    )
    handed = [*parts(envs.reset(seed=0))]
    assert all(map(same, handed, parts(twin.reset(seed=0))))
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = rng.uniform(-1, 1, (COUNT, 3))
        kept = [copied(part) for part in handed]
        step, expected = envs.step(action), twin.step(action)
        # What came before is what it was, and what comes now is what it would have been.
        assert all(map(same, handed, kept))
        assert all(map(same, parts(step), parts(expected)))
        handed = [*parts(step)]
        if mode is AutoresetMode.DISABLED and bool((step[2] | step[3]).any()):
            ended = copied(step[2] | step[3])
            handed = [*parts(envs.reset(options={"reset_mask": ended}))]
            assert all(map(same, handed, parts(twin.reset(options={"reset_mask": ended}))))
        for part in handed:
            if part.dtype != object:
                part[:] = 7
