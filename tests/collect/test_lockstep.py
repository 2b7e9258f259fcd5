"""Simulations in lockstep are the environment's own, and what cannot be is named."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.mujoco.ant_v5 import AntEnv

from learned_envs.collect.agreement import check_source
from learned_envs.collect.asking import ask
from learned_envs.collect.collection import collect
from learned_envs.collect.exploration import Explorer
from learned_envs.collect.hindrance import hindrance
from learned_envs.collect.lockstep import ROUNDING, Lockstep
from learned_envs.data.parts import Parts
from learned_envs.errors import LockstepError
from learned_envs.registry import task_class
from learned_envs.sb3 import AgentConfig, learn_outside
from learned_envs.sb3.config import AGENTS
from learned_envs.systems.reference import describe, make_reference
from learned_envs.tasks.traced import TracedTask

TASK = "Ant"


@pytest.fixture(scope="module")
def task() -> TracedTask:
    asked = ask(TASK).task
    assert isinstance(asked, TracedTask)
    return asked


def run(task, count, steps, env=None):
    """Step simulations by random actions; return what each step gave, and the episodes."""
    episodes = []
    rng = np.random.default_rng(0)
    env = make_reference(TASK) if env is None else env
    with closing(Lockstep(env, task, count, "agent:test", episodes.append)) as lockstep:
        for lane in range(count):
            lockstep.reset(lane, lane)
        actions = rng.uniform(-1, 1, (steps, count, task.spec.nu))
        told = [lockstep.step(action) for action in actions]
    return told, episodes


def test_every_simulation_is_the_environment(task):
    assert hindrance(task, make_reference(TASK)) is None
    told, episodes = run(task, 3, 60)
    assert [len(episode.rewards) for episode in episodes] == [60] * 3
    for lane, episode in enumerate(episodes):
        env = gym.make(TASK).unwrapped
        observation, _ = env.reset(seed=episode.seed)
        np.testing.assert_array_equal(episode.observations[0], observation)
        for step, action in enumerate(episode.actions):
            observation, reward, terminated, truncated, _ = env.step(action)
            np.testing.assert_array_equal(episode.qpos[step + 1], env.data.qpos)
            np.testing.assert_array_equal(episode.qvel[step + 1], env.data.qvel)
            forces = episode.columns["cfrc_ext"][step + 1]
            np.testing.assert_array_equal(forces, env.data.cfrc_ext.ravel())
            np.testing.assert_array_equal(episode.observations[step + 1], observation)
            assert episode.rewards[step] == pytest.approx(reward, rel=ROUNDING, abs=ROUNDING)
            assert [bool(x[lane]) for x in told[step][2:]] == [terminated, truncated]


def test_what_is_learned_from_is_in_agreement(task, tmp_path, monkeypatch):
    monkeypatch.setitem(AGENTS, TASK, AgentConfig(n_envs=4, n_steps=64))
    drivers = {"ppo": learn_outside}
    data = collect(TASK, 1200, tmp_path / "d", drivers=drivers, workers=1)
    assert data.actors == {"learner:ppo": 512, "random": 600}
    recording = data.load()
    assert (recording.terminated ^ recording.truncated).all()
    assert (recording.seeds >= 0).all()
    check_source(data, TASK)
    again = collect(TASK, 1200, tmp_path / "e", drivers=drivers, workers=1)
    assert again.digest == data.digest


def test_an_environment_that_is_changed_is_refused(task):
    env = make_reference(TASK)
    base = env.unwrapped
    lockstep = Lockstep(env, task, 1)
    lockstep.reset(0, 0)
    base._forward_reward_weight = 2.0
    with pytest.raises(LockstepError, match="another reward"):
        lockstep.step(np.ones((1, 8)))


def test_what_disagrees_is_recorded_one_episode_at_a_time(task, monkeypatch, tmp_path):
    rules = AntEnv._get_rew

    def act(observation):
        # The steps that are compared before anything is recorded agree.
        monkeypatch.setattr(AntEnv, "_get_rew", lambda *given: (7.0, rules(*given)[1]))
        return np.zeros((*observation.shape[:-1], 8))

    explorer = Explorer(TASK, task, {"still": act}, {})
    parts = Parts(tmp_path / "parts", TASK, task.spec)
    with pytest.warns(UserWarning, match=r"another reward .* one episode at a time"):
        explorer.record("still", 300, np.random.default_rng(0), parts)
    recording = parts.dataset.load()
    assert recording.steps == parts.steps == 300
    episodes = map(recording.episode, range(len(recording)))
    assert all((episode.rewards == 7.0).all() for episode in episodes)


def test_an_environment_that_cannot_be_is_named():
    env = make_reference("Hopper")
    task = task_class("Hopper").create(describe(env), {})
    assert hindrance(task, env) == "its rules are not traced from its code"
