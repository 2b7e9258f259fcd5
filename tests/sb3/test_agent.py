"""Agents move between worlds, and are the same when they come back from a disk."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

import learned_envs  # noqa: F401
from learned_envs.errors import OutputError, ParameterError
from learned_envs.sb3 import (
    Agent,
    AgentConfig,
    Improver,
    Normalisation,
    SavedAgent,
    train_agent,
)

SMALL = AgentConfig(n_envs=4, n_steps=16, batch_size=32, n_epochs=1)


def test_an_agent_moves_between_the_learned_and_the_real_hopper(make, tmp_path):
    model = PPO("MlpPolicy", make(4), n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    model.learn(256)
    model.save(tmp_path / "inside")
    moved = PPO.load(tmp_path / "inside", env=gym.make("Hopper-v5"), device="cpu")
    observation = moved.env.reset()
    for _ in range(10):
        observation, *_ = moved.env.step(moved.predict(observation)[0])
    moved.learn(128)
    moved.save(tmp_path / "outside")
    back = PPO.load(tmp_path / "outside", env=make(4), device="cpu")
    back.learn(128)
    mean, _ = evaluate_policy(back, make(2), n_eval_episodes=2)
    assert np.isfinite(mean)


def test_training_repeats_under_a_seed(make):
    observation = np.random.default_rng(0).normal(size=(5, 11))
    one, two = (train_agent(make(4, seed=None), 128, SMALL, seed=1) for _ in range(2))
    assert np.array_equal(one(observation), two(observation))


def test_an_agent_is_saved_with_what_it_normalises_by(make, tmp_path):
    agent = train_agent(make(4), 128, SMALL, seed=0)
    agent.save(tmp_path)
    observation = np.random.default_rng(0).normal(size=(5, 11))
    expected = agent(observation)
    assert np.array_equal(Agent.load(tmp_path)(observation), expected)
    assert np.array_equal(Agent.load(tmp_path / "agent.safetensors")(observation), expected)
    assert np.array_equal(
        SavedAgent(tmp_path)(observation[0]), Agent.load(tmp_path)(observation[0])
    )
    assert not np.array_equal(Agent(agent.model)(observation), expected)
    Agent(agent.model).save(tmp_path)
    assert Agent.load(tmp_path).normalisation is None


def test_normalisation_is_that_of_vec_normalize(make):
    agent = train_agent(make(4), 128, SMALL, seed=0)
    envs = agent.model.get_env()
    observation = np.random.default_rng(0).normal(size=(5, 11)) * 100
    expected = envs.normalize_obs(observation)
    assert np.array_equal(Normalisation.of(envs)(observation), expected)


@pytest.mark.parametrize("algorithm", [A2C, SAC, TD3])
def test_other_agents_load_too(algorithm, tmp_path):
    model = algorithm("MlpPolicy", gym.make("Hopper-v5"), device="cpu")
    model.save(tmp_path / "agent")
    observation = np.ones(11)
    expected = model.predict(observation, deterministic=True)[0]
    assert np.array_equal(Agent.load(tmp_path / "agent.zip")(observation), expected)


def test_an_agent_that_cannot_be_written_is_named(make, tmp_path):
    agent = train_agent(make(4), 64, SMALL, seed=0)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        agent.save(tmp_path / "file")


def test_normalisation_that_cannot_be_is_refused(make):
    with pytest.raises(ParameterError, match="norm_obs=False"):
        Normalisation.of(VecNormalize(make(2), norm_obs=False))
    with pytest.raises(ParameterError, match=r"\(3,\) and \(4,\)"):
        Normalisation(np.zeros(3), np.ones(4), 10.0, 1e-8)
    with pytest.raises(ParameterError, match="not positive"):
        Normalisation(np.zeros(3), -np.ones(3), 10.0, 1e-8)
    seen = Normalisation(np.zeros(17), np.ones(17), 10.0, 1e-8)
    with pytest.raises(ParameterError, match=r"\(17,\), and an agent that observes \(11,\)"):
        Agent(PPO("MlpPolicy", make(2), n_steps=4, batch_size=8, device="cpu"), seen)


def test_a_training_needs_steps_and_an_agent_that_fits(make):
    envs = make(4)
    with pytest.raises(ParameterError, match="steps=0"):
        train_agent(envs, 0, SMALL)
    with pytest.raises(ParameterError, match="4 environments, expected n_envs=64"):
        train_agent(envs, 64)
    with pytest.raises(ParameterError, match="n_steps=0"):
        AgentConfig(n_steps=0)
    with pytest.raises(ParameterError, match="algorithm='a2c'"):
        Improver("Hopper", "a2c")
    other = Agent(SAC("MlpPolicy", gym.make("Hopper-v5"), buffer_size=100, device="cpu"))
    with pytest.raises(ParameterError, match="SAC that does not fit the PPO"):
        train_agent(envs, 64, SMALL, start=other)
    walker = Agent(PPO("MlpPolicy", gym.make("Walker2d-v5"), device="cpu"))
    with pytest.raises(ParameterError, match=r"shape \(17,\), those here \(11,\)"):
        train_agent(envs, 64, SMALL, start=walker)
