"""The tasks of dm_control's suite: their own code, traced, gives what they return."""

import logging
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from retold import retold

pytest.importorskip("dm_control", reason="needs dm_control: pip install '.[dm-control]'")

from dm_control import suite

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems import dm_control  # noqa: F401

logging.getLogger("absl").setLevel(logging.ERROR)

REFUSED = {"dog-fetch", "quadruped-escape"}
"""A call into MuJoCo, and a landscape that each episode has anew, with a renderer to draw it."""

# Of float64, in products of two matrices: 9e-16 was measured in observations.
ROUNDING = 1e-14


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize(
    "name", [f"{d}-{t}" for d, t in suite.ALL_TASKS if f"{d}-{t}" not in REFUSED]
)
def test_the_rules_of_a_task_give_what_it_returns(name: str) -> None:
    with closing(gym.make(f"DmControl/{name}-v0")) as env:
        found = retold(env, steps=60, reach=1.0)
    for output, error in found.errors.items():
        assert error <= ROUNDING, output
    assert {"observation", "reward", "terminated", "truncated", "ctrl"} <= set(found.errors)
    assert found.trace.start is not None
    assert not found.trace.notes


def test_forces_are_those_of_the_last_solver_step_and_poses_are_not() -> None:
    with closing(gym.make("DmControl/quadruped-walk-v0")) as env:
        inputs = trace_rules(env).step.inputs
    assert "after.sensor.force_toe_front_left" in inputs
    assert "after.sensor.imu_accel" in inputs
    assert {"fresh.xmat", "fresh.sensor.imu_gyro", "fresh.sensor.velocimeter"} <= set(inputs)


def test_what_cannot_be_traced_is_refused_by_its_line() -> None:
    with (
        closing(gym.make("DmControl/dog-fetch-v0")) as env,
        pytest.raises(UntraceableRulesError, match=r"mj_objectVelocity"),
    ):
        trace_rules(env)


def test_the_physics_are_dm_controls_own_again_afterwards() -> None:
    with closing(gym.make("DmControl/cheetah-run-v0")) as env:
        base: Any = env.unwrapped
        data, named = base.physics.data.ptr, base.physics.named
        env.reset(seed=0)
        before = data.qpos.copy()
        trace_rules(env)
        np.testing.assert_array_equal(data.qpos, before)
        assert base.physics.data.ptr is data
        assert base.physics.named is named
        assert "step" not in vars(base.physics)
        env.reset(seed=0)
        env.step(env.action_space.sample())
