"""Compiled vector environments give what uncompiled ones give."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from grids import SHIPPED
from marks import needs_compiler

from learned_envs import registry

pytestmark = needs_compiler


def check(env_id: str, steps: int, **arguments: Any) -> None:
    """Step environments compiled and uncompiled, from the same states."""
    ours = gym.make_vec(env_id, 70, compile=True, **arguments)
    theirs = gym.make_vec(env_id, 70, **arguments)
    ours.reset(seed=0), theirs.reset(seed=0)
    ours.action_space.seed(0)
    for _ in range(steps):
        action = ours.action_space.sample()
        state = theirs.unwrapped.state
        ours.unwrapped.set_state(state.q, state.v)
        got, expected = ours.step(action), theirs.step(action)
        # Rounding of float32 in two orders of summation.
        scale = 2e-5 * (1 + np.abs(expected[0]).max())
        np.testing.assert_allclose(got[0], expected[0], rtol=0, atol=scale)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(got[2], expected[2])
        np.testing.assert_array_equal(got[3], expected[3])
        assert got[4].keys() == expected[4].keys()
        for name, column in expected[4].items():
            np.testing.assert_allclose(got[4][name], column, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("task", SHIPPED)
@pytest.mark.parametrize("cut", ["auto", None])
def test_a_compiled_step_is_the_uncompiled_one(task: str, cut: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check(registry.env_id(task), 20, max_disagreement=cut)


# Some have no native code, and say so.
@pytest.mark.filterwarnings("ignore:No native code:UserWarning")
@pytest.mark.parametrize("name", registry.FAMILIES)
def test_every_family_may_be_compiled(name: str, checkpoint: Callable[..., Path]) -> None:
    check("LearnedSim-Hopper-v0", 2, checkpoint=checkpoint("Hopper", name))
