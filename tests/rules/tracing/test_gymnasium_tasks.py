"""The MuJoCo tasks of Gymnasium: their own code, traced, gives what they return."""

import gymnasium as gym
import numpy as np
import pytest
from retold import retold

# Actions are float32 in the environments: their squares, times a weight of 1 or less and as many
# as 17, differ by no more from those in float64.
FLOAT32 = 1e-6

TASKS = {
    "InvertedPendulum-v5": {},
    "InvertedDoublePendulum-v5": {},
    "Reacher-v5": {},
    "Pusher-v5": {},
    "Swimmer-v5": {},
    "HalfCheetah-v5": {},
    "Hopper-v5": {},
    "Walker2d-v5": {},
    "Ant-v5": {},
    "Humanoid-v5": {},
    "HumanoidStandup-v5": {},
}

CHANGED = {
    "Hopper-v5": {
        "exclude_current_positions_from_observation": False,
        "terminate_when_unhealthy": False,
        "healthy_angle_range": (-0.5, 0.1),
        "forward_reward_weight": 2.0,
    },
    "Ant-v5": {
        "include_cfrc_ext_in_observation": False,
        "main_body": 2,
        "healthy_z_range": (0.4, 0.8),
    },
    "Humanoid-v5": {"contact_cost_range": (0.0, 0.01), "include_cvel_in_observation": False},
    "Reacher-v5": {"reward_dist_weight": 3.0, "frame_skip": 5},
    "Walker2d-v5": {"healthy_z_range": (1.0, 1.3), "frame_skip": 2},
}


def check(env):
    found = retold(env)
    for name, error in found.errors.items():
        paid = name == "reward" or name.startswith("info.")
        assert error <= (FLOAT32 if paid else 0.0), name
    assert {"observation", "reward", "terminated", "truncated", "ctrl"} <= set(
        found.trace.step.outputs
    )
    assert not found.trace.notes
    assert found.trace.start is not None
    return found


@pytest.mark.parametrize("name", TASKS)
def test_the_rules_of_a_task_give_what_it_returns(name):
    check(gym.make(name))


@pytest.mark.parametrize("name", CHANGED)
def test_parameters_of_the_constructor_change_the_rules(name):
    check(gym.make(name, **CHANGED[name]))


def test_falls_are_among_the_steps():
    assert check(gym.make("Hopper-v5")).terminated > 3


def test_an_environment_goes_on_as_if_it_had_not_been_traced():
    from learned_envs.rules.tracing.trace import trace_rules

    runs = []
    for traced in (False, True):
        env = gym.make("Ant-v5")
        env.reset(seed=3)
        env.action_space.seed(3)
        seen = []
        for step in range(60):
            if traced and step == 10:
                trace_rules(env)
            action = env.action_space.sample()
            observation, reward, *_ = env.step(action)
            seen.append([*observation, reward])
            if step % 20 == 19:
                env.reset()
        runs.append(np.array(seen))
    np.testing.assert_array_equal(*runs)
