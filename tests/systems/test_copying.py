"""Data that other data was copied into is as the other was, whatever MuJoCo's version."""

import copy
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from learned_envs.systems.copying import copy_data


@pytest.mark.parametrize("own", [True, False])
def test_it_goes_on_alike(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not own:
        # As in MuJoCo 3.
        monkeypatch.delattr(mujoco, "mj_copyData", raising=False)
    env: Any = gym.make("Walker2d-v5").unwrapped
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.ones(6))
    source, target = copy.copy(env.data), mujoco.MjData(env.model)
    copy_data(source, target)
    for name in ("qpos", "qvel", "time", "xpos", "cvel", "qacc_warmstart", "sensordata"):
        np.testing.assert_array_equal(getattr(target, name), getattr(source, name))
    for data in (source, target):
        mujoco.mj_step(env.model, data, 10)
    np.testing.assert_array_equal(target.qpos, source.qpos)
