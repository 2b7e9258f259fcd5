"""What SB3 and its users rely on: the VecEnv contract."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import DummyVecEnv

import learned_envs  # noqa: F401
from learned_envs.errors import (
    ActionError,
    CheckpointError,
    ParameterError,
    RenderError,
    ResetNeededError,
    ShapeError,
    UnknownNameError,
)
from learned_envs.sb3 import LearnedVecEnv, make_vec_env

UNCUT = {"max_disagreement": None}


def actions(envs: Any, steps: int, seed: int = 0) -> np.ndarray:
    shape = (steps, envs.num_envs, *envs.action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_reset_and_step_give_what_sb3_gives_for_the_real_hopper(make):
    envs, real = make(3), DummyVecEnv([lambda: gym.make("Hopper-v5")] * 3)
    assert envs.observation_space == real.observation_space
    assert envs.action_space == real.action_space
    ours, theirs = envs.reset(), real.reset()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    action = actions(envs, 1)[0]
    for mine, reference in zip(envs.step(action)[:3], real.step(action)[:3], strict=True):
        assert (mine.shape, mine.dtype) == (reference.shape, reference.dtype)


def test_terminal_observation_is_where_the_episode_ended(make, weights):
    envs = make(64, ensemble="mean")
    twin = gym.make_vec(
        "LearnedSim-Hopper-v0",
        num_envs=64,
        checkpoint=weights,
        ensemble="mean",
        autoreset_mode=AutoresetMode.DISABLED,
    )
    envs.reset()
    twin.reset()
    ended = 0
    for action in actions(envs, 60):
        state = envs.unwrapped.envs.state
        twin.reset()
        twin.unwrapped.set_state(state.q, state.v)
        observation, _, done, infos = envs.step(action)
        last, _, terminated, _, details = twin.step(action)
        assert np.array_equal(done, terminated)
        for i in range(64):
            assert bool(infos[i]) == done[i]
        for i in done.nonzero()[0]:
            assert np.array_equal(infos[i]["terminal_observation"], last[i])
            assert infos[i]["x_position"] == details["x_position"][i]
            # Gymnasium's reset noise is 5e-3 about height 1.25.
            assert abs(observation[i, 0] - 1.25) < 6e-3
        ended += done.sum()
    assert ended


def test_a_fall_is_no_time_limit(make):
    envs = make(64)
    envs.reset()
    infos = [i for action in actions(envs, 60) for i in envs.step(action)[3] if i]
    assert infos
    assert not any(info["TimeLimit.truncated"] for info in infos)


def test_the_time_limit_truncates(make):
    envs = make(4, max_episode_steps=5, terminate_when_unhealthy=False, **UNCUT)
    envs.reset()
    for step, action in enumerate(actions(envs, 15), start=1):
        _, _, done, infos = envs.step(action)
        assert (done == (step % 5 == 0)).all()
        assert all(info["TimeLimit.truncated"] for info in infos if info)


def test_disagreement_truncates(make):
    envs = make(4, max_disagreement=1e-9, terminate_when_unhealthy=False)
    envs.reset()
    _, _, done, infos = envs.step(actions(envs, 1)[0])
    assert done.all()
    for info in infos:
        assert info["out_of_support"] is True
        assert info["TimeLimit.truncated"] is True


def test_divergence_truncates_only_its_own_episode(make):
    envs = make(4, **UNCUT)
    envs.reset()
    q = np.array([0.0, 100.0, 0.0, 0.0, 0.0, 0.0])
    envs.env_method("set_state", q, np.zeros(6), indices=[2])
    observation, reward, done, infos = envs.step(np.zeros((4, 3), dtype=np.float32))
    assert done.tolist() == [False, False, True, False]
    assert infos[2]["diverged"] is True
    assert infos[2]["TimeLimit.truncated"] is True
    assert np.isfinite(observation).all()
    assert np.isfinite(reward).all()


def test_seeds_determine_the_batch_and_are_used_once(make):
    one, two = make(8, seed=7), make(8, seed=7)
    first = one.reset()
    assert np.array_equal(first, two.reset())
    for action in actions(one, 40):
        for ours, theirs in zip(one.step(action)[:3], two.step(action)[:3], strict=True):
            assert np.array_equal(ours, theirs)
    assert not np.array_equal(first, one.reset())
    one.seed(7)
    assert np.array_equal(first, one.reset())
    assert not np.array_equal(first, make(8, seed=8).reset())


def test_one_environment_is_the_single_environment(make, weights):
    single = gym.make("LearnedSim-Hopper-v0", checkpoint=weights)
    envs = make(1, seed=3)
    assert np.array_equal(envs.reset()[0], single.reset(seed=3)[0])
    for action in actions(envs, 10):
        observation, reward, terminated, _, _ = single.step(action[0])
        if terminated:
            break
        ours, rewards, _, _ = envs.step(action)
        # Numpy and torch round apart, by 1e-5 a step at most.
        np.testing.assert_allclose(ours[0], observation, rtol=1e-3, atol=1e-3)
        assert rewards[0] == pytest.approx(reward, rel=1e-3, abs=1e-3)


def test_the_monitor_counts_episodes(make):
    envs = make(16)
    envs.reset()
    total, length, seen = np.zeros(16), np.zeros(16), 0
    for action in actions(envs, 60):
        _, reward, done, infos = envs.step(action)
        total, length = total + reward, length + 1
        for i in done.nonzero()[0]:
            # The monitor adds up in float32.
            assert infos[i]["episode"]["r"] == pytest.approx(total[i], rel=1e-5, abs=1e-5)
            assert infos[i]["episode"]["l"] == length[i]
            seen += 1
        total[done], length[done] = 0, 0
    assert seen


def test_what_is_handed_out_is_not_written_to_later(make):
    envs = make(4)
    first = envs.reset()
    kept = first.copy()
    observation, *_ = envs.step(actions(envs, 1)[0])
    assert np.array_equal(first, kept)
    assert not np.shares_memory(first, observation)


def test_attributes_are_those_of_single_environments(make):
    envs = make(3)
    envs.reset()
    assert envs.get_attr("reference_id", [0, 2]) == ["Hopper-v5"] * 2
    assert envs.get_attr("render_mode", 1) == ["rgb_array"]
    assert envs.get_attr("action_space")[0] == envs.action_space
    assert [tuple(state.q.shape) for state in envs.get_attr("state")] == [(6,)] * 3
    assert envs.get_attr("is_healthy") == [True] * 3
    assert envs.get_attr("dt", 0) == [0.008]
    assert [row.shape for row in envs.env_method("state_vector", indices=[0, 1])] == [(12,)] * 2
    assert envs.has_attr("set_state")
    assert not envs.has_attr("no_such_thing")
    assert envs.env_is_wrapped(gym.Wrapper) == [False] * 3
    envs.set_attr("colour", "red")
    assert envs.get_attr("colour", 2) == ["red"]
    with pytest.raises(ParameterError, match="colour"):
        envs.set_attr("colour", "blue", indices=[0])
    with pytest.raises(ParameterError, match="unwrapped"):
        envs.env_method("reset", indices=[0])


def test_set_state_moves_the_named_environments(make):
    envs = make(3)
    envs.reset()
    before = envs.get_attr("state")
    q = np.array([5.0, 1.2, 0.0, 0.0, 0.0, 0.0])
    envs.env_method("set_state", q, np.ones(6), indices=[1])
    after = envs.get_attr("state")
    assert after[1].q.tolist() == pytest.approx(q.tolist())
    assert torch.equal(after[0].q, before[0].q)
    assert torch.equal(after[2].v, before[2].v)
    envs.env_method("set_state", before[0], indices=[2])
    assert torch.equal(envs.get_attr("state", 2)[0].q, before[0].q)
    assert torch.equal(envs.get_attr("state", 1)[0].q, after[1].q)


def test_pictures_are_tiled(make):
    envs = make(2, render_mode="rgb_array", width=32, height=32)
    envs.reset()
    try:
        picture = envs.render()
    except RenderError as error:
        pytest.skip(str(error))
    assert picture.shape == (64, 32, 3)
    assert envs.env_method("render", indices=[1])[0].shape == (32, 32, 3)
    envs.close()


def test_bad_use_is_named(make, weights):
    with pytest.raises(UnknownNameError, match="LearnedSim-Hopper-v0"):
        make_vec_env("LearnedSim-Hoper-v0")
    with pytest.raises(CheckpointError):
        make_vec_env("Hopper", env_kwargs={"checkpoint": "no/such/weights.safetensors"})
    envs = make(2)
    with pytest.raises(ResetNeededError):
        envs.step(np.zeros((2, 3)))
    envs.reset()
    with pytest.raises(ActionError):
        envs.step(np.full((2, 3), np.nan))
    with pytest.raises(ShapeError):
        envs.step(np.zeros((3, 3)))
    assert envs.step(np.zeros((2, 3)))[0].shape == (2, 11)
    other = gym.make_vec("LearnedSim-Hopper-v0", num_envs=2, checkpoint=weights)
    with pytest.raises(ParameterError, match="SAME_STEP"):
        LearnedVecEnv(other.unwrapped)
