"""Environments of others run hosted, those too whose steps cannot be traced."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from oracle import Oracle

from learned_envs.systems.adapter import Adapter
from learned_envs.systems.hosting import Hosting

pytest.importorskip("gymnasium_robotics", reason="needs it: pip install '.[robotics]'")

import gymnasium_robotics

gym.register_envs(gymnasium_robotics)

# 6e-15 was measured at most.
EXACT = 1e-12

NAMES = [
    *("AdroitHandDoor-v1", "AdroitHandHammer-v1", "AdroitHandPen-v1", "AdroitHandRelocate-v1"),
    *("PointMaze_UMaze-v3", "HandReach-v3", "HandManipulateBlock-v1"),
    *("FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4", "FrankaKitchen-v1"),
]


@pytest.mark.filterwarnings("ignore:.*environment's reward functions were updated")
@pytest.mark.parametrize("name", NAMES)
def test_a_robot_does_as_always_if_the_model_is_mujoco(name: str) -> None:
    made = [gym.make(name, disable_env_checker=True) for _ in range(2)]
    with closing(made[0]), closing(made[1]):
        real, hosted = map(Adapter, made)
        steps = real.solver_steps
        real.reset(0)
        assert hosted.solver_steps == steps
        hosted.reset(0)
        oracle = Oracle(hosted.data, hosted.model, ())
        real.base.action_space.seed(0)
        for _ in range(50):
            action = real.base.action_space.sample()
            seen, reward, terminated, truncated, _ = real.step(action)
            with Hosting(hosted.model, hosted.data, steps, oracle(steps)):
                also, earned, ended, cut, _ = hosted.step(action)
            np.testing.assert_allclose(also, seen, rtol=0, atol=EXACT)
            assert earned == pytest.approx(reward, abs=EXACT)
            assert (ended, cut) == (terminated, truncated)
            if terminated or truncated:
                break
