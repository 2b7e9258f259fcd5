"""Callbacks that are written for Gymnasium's MuJoCo environments find what they read."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hoppers import Make, actions

from learned_envs import registry
from learned_envs.errors import ResetNeededError


@pytest.fixture
def single(make_single: Make) -> Any:
    return make_single()


@pytest.mark.parametrize("task", ["Hopper", "HalfCheetah", "Reacher"])
def test_constants_are_the_references(task: str, checkpoint: Any) -> None:
    env = gym.make(registry.env_id(task), checkpoint=checkpoint(task)).unwrapped
    reference: Any = gym.make(registry.reference_id(task)).unwrapped
    assert env.dt == pytest.approx(reference.dt)
    assert env.frame_skip == reference.frame_skip
    np.testing.assert_array_equal(env.init_qpos, reference.init_qpos)
    np.testing.assert_array_equal(env.init_qvel, reference.init_qvel)
    env.init_qpos[:] = 7
    np.testing.assert_array_equal(env.init_qpos, reference.init_qpos)
    env.reset(seed=0)
    assert hasattr(env, "is_healthy") is hasattr(reference, "is_healthy")


def test_the_state_vector_and_health_are_those_of_the_moment(single: Any, make: Make) -> None:
    for read in (single.state_vector, lambda: single.is_healthy):
        with pytest.raises(ResetNeededError):
            read()
    reference: Any = gym.make("Hopper-v5").unwrapped
    envs = make(2)
    for env in (single, envs, reference):
        env.reset(seed=0)
    for angle, healthy in ((0.1, True), (0.3, False)):
        q, v = np.array([0, 1.25, angle, 0, 0, 0]), np.arange(6) / 10
        for env in (single, reference):
            env.set_state(q, v)
        envs.set_state(np.stack([q, single.init_qpos]), np.stack([v, v]))
        np.testing.assert_allclose(single.state_vector(), reference.state_vector(), rtol=1e-6)
        assert single.state_vector().dtype == np.float64
        assert single.is_healthy is bool(reference.is_healthy) is healthy
        assert envs.is_healthy.tolist() == [healthy, True]
        assert envs.state_vector().shape == (2, 12)


def test_what_only_mujoco_has_says_what_to_read_instead(single: Any, make: Make) -> None:
    for env in (single, make(2)):
        for name in ("model", "data"):
            assert not hasattr(env, name)
            with pytest.raises(AttributeError, match=rf"no MuJoCo {name}.*state_vector.*Hopper-v5"):
                getattr(env, name)


def test_a_whole_state_is_taken_and_given_back(make_single: Make) -> None:
    env = make_single(max_disagreement=None)
    env.reset(seed=0)
    for action in actions(3):
        env.step(action)
    kept = env.state
    played = [env.step(action)[0] for action in actions(5, seed=1)]
    while True:
        env.reset()
        if env.state.memory["member"] != kept.memory["member"]:
            break
    env.state = kept
    np.testing.assert_array_equal(played, [env.step(action)[0] for action in actions(5, seed=1)])
    env.reset()
    env.set_state(kept)
    np.testing.assert_array_equal(played, [env.step(action)[0] for action in actions(5, seed=1)])
