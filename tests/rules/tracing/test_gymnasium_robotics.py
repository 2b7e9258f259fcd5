"""Robots of gymnasium-robotics: their own code, traced, gives what they return."""

from contextlib import closing

import gymnasium as gym
import pytest
from retold import retold

pytest.importorskip("gymnasium_robotics", reason="needs it: pip install '.[robotics]'")

import gymnasium_robotics

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems.changes import find_slots

gym.register_envs(gymnasium_robotics)

# Actions are float32 in the environments, and cost their squares.
FLOAT32 = 1e-6

TRACED = {
    "AdroitHandDoor-v1": {"model.body_pos[28]"},
    "AdroitHandHammer-v1": {"model.body_pos[28]"},
    "AdroitHandPen-v1": {"model.body_quat[29]", "env.tar_length"},
    "AdroitHandRelocate-v1": {"model.body_pos[28]", "model.site_pos[0]"},
    "AntMaze_UMaze-v5": {"env.goal", "model.site_pos[0]"},
    "PointMaze_UMaze-v3": {"env.goal", "model.site_pos[0]"},
    "HandReach-v3": {"env.goal"},
    "HandManipulateBlock-v1": {"env.goal"},
}
"""Name -> what an observation or a reward needs beside q and v: where a reset put something."""

REFUSED = {
    "FetchReach-v4": "mujoco.mj_jacSite",
    "FetchPush-v4": "mujoco.mj_jacSite",
    "FrankaKitchen-v1": "random numbers from the environment's generator",
}


@pytest.mark.filterwarnings("ignore:.*environment's reward functions were updated")
@pytest.mark.parametrize("name", TRACED)
def test_the_rules_of_a_robot_give_what_it_returns(name: str) -> None:
    with closing(gym.make(name, disable_env_checker=True)) as env:
        slots = find_slots(env)
        assert TRACED[name] <= {slot.name for slot in slots}
        found = retold(env, slots, steps=60, reach=1.0)
    for output, error in found.errors.items():
        paid = output == "reward" or output.startswith("info.")
        assert error <= (FLOAT32 if paid else 1e-14), output
    assert {"observation", "reward", "terminated", "truncated", "ctrl"} <= set(found.errors)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_by_its_line(name: str) -> None:
    with (
        closing(gym.make(name, disable_env_checker=True)) as env,
        pytest.raises(UntraceableRulesError, match=REFUSED[name]),
    ):
        trace_rules(env)
