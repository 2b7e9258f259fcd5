"""What a speed counts."""

import time

import gymnasium as gym
import numpy as np

from learned_envs.evaluation.speed import measure, random_actions


def test_a_step_counts_for_each_environment():
    speed = measure(lambda: time.sleep(0.002), envs=10, seconds=0.1)
    # A sleep is never shorter than asked for.
    assert 0 < speed <= 10 / 0.002


def test_actions_are_the_same_in_every_measurement():
    space = gym.spaces.Box(np.float32([-2, 0]), np.float32([-1, 3]))
    first, second = random_actions(space, 5), random_actions(space, 5)
    for _ in range(40):
        action = next(first)
        assert np.array_equal(action, next(second))
        assert all(space.contains(each) for each in action)
    assert space.contains(next(random_actions(space)))
