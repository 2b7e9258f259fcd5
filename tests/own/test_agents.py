"""Agents learn in a user's environment, and are tried outside, by its own name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import learned_envs
from learned_envs.card import read_card
from learned_envs.errors import ParameterError
from learned_envs.fit import FitConfig, TrainingConfig, fit
from learned_envs.fit.config import RoundsConfig
from learned_envs.sb3 import AgentConfig, make_vec_env
from learned_envs.transfer import episode_returns, random_policy, score, train_inside

SMALL = AgentConfig(n_envs=4, n_steps=16, batch_size=32, n_epochs=1)


@pytest.fixture
def registered(run: Path) -> Iterator[str]:
    """An id that is registered for the checkpoint."""
    learned_envs.register("LearnedSim-LegToTrain-v0", checkpoint=run)
    yield "LearnedSim-LegToTrain-v0"
    del gym.registry["LearnedSim-LegToTrain-v0"]


def learns(envs: Any) -> None:
    agent = PPO("MlpPolicy", envs, n_steps=16, batch_size=16, n_epochs=1, device="cpu", seed=0)
    agent.learn(64)
    assert agent.num_timesteps >= 64


def test_sb3_takes_the_id_of_any_checkpoint(run: Path) -> None:
    envs = make_vec_env("LearnedSim-v0", n_envs=4, seed=0, env_kwargs={"checkpoint": run})
    assert envs.reset().shape == (4, 9)
    learns(envs)


def test_sb3_takes_a_registered_id(registered: str, leg: str) -> None:
    learns(make_vec_env(registered, n_envs=4, seed=0))
    check_env(gym.make(registered).unwrapped, warn=False, skip_render_check=True)
    with pytest.raises(ParameterError, match="gravity"):
        make_vec_env(registered, env_kwargs={"gravity": 1.0})


def test_infos_of_an_end_are_whole(run: Path) -> None:
    envs = make_vec_env("LearnedSim-v0", n_envs=30, seed=0, env_kwargs={"checkpoint": run})
    envs.reset()
    assert envs.reset_infos[0]["foot"].shape == (3,)
    ended = []
    for _ in range(60):
        _, _, dones, infos = envs.step(np.zeros((30, 2), np.float32))
        ended += [infos[index] for index in np.flatnonzero(dones)]
    assert len(ended) >= 30
    for info in ended:
        assert info["foot"].shape == (3,)
        assert info["terminal_observation"].shape == (9,)
        assert {"TimeLimit.truncated", "distance", "episode"} <= info.keys()


@pytest.mark.parametrize("vec_env_cls", [None, SubprocVecEnv])
def test_hosted_environments_are_made_by_sb3_itself(run: Path, vec_env_cls: Any) -> None:
    envs = make_vec_env(
        "LearnedSim-v0",
        n_envs=2,
        seed=0,
        env_kwargs={"checkpoint": run, "rules": "hosted", "jerk_cost": 0.2},
        vec_env_cls=vec_env_cls,
    )
    try:
        assert isinstance(envs, vec_env_cls or DummyVecEnv)
        assert envs.reset().shape == (2, 9)
        learns(envs)
    finally:
        envs.close()


def test_an_agent_is_scored_inside_and_outside(run: Path, leg: str) -> None:
    agent = train_inside(leg, 64, 0, run, SMALL)
    transfer = score(agent, leg, 0, run, episodes=3)
    assert np.isfinite([*transfer.inside, *transfer.outside]).all()
    assert transfer.table().row_count > 0
    space = gym.make(leg).action_space
    inside = episode_returns(random_policy(space), "LearnedSim-v0", 3, 0, {"checkpoint": run})
    assert inside.shape == (3,)


def test_model_and_agent_improve_in_rounds(leg: str, tmp_path: Path) -> None:
    training = TrainingConfig(members=2, batch_size=32, horizons=(2,), check_every=10, held_out=0.2)
    rounds = RoundsConfig(count=1, steps_per_round=1200, updates_per_round=20, agent_steps=4096)
    config = FitConfig(options={"hidden": (8,)}, training=training, rounds=rounds)
    fit(leg, tmp_path / "run", config, device="cpu")
    card = read_card(tmp_path / "run")
    assert card.task == leg
    assert card.rounds is not None
    assert len(card.rounds) == 1
    assert card.rules is not None
    gym.make("LearnedSim-v0", checkpoint=tmp_path / "run").reset(seed=0)
