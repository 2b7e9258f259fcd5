"""Agents with settings of their own, such as a rate that falls, are kept as they are."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn

from learned_envs.errors import ParameterError
from learned_envs.sb3 import Agent, AgentConfig, train_agent

TUNED = AgentConfig(
    n_envs=1,
    n_steps=16,
    batch_size=8,
    n_epochs=1,
    learning_rate=2e-4,
    net_arch=(8, 4),
    activation="ELU",
    clip_range=0.3,
    ent_coef=0.01,
    vf_coef=0.4,
    max_grad_norm=1.5,
    target_kl=0.02,
    anneal=True,
)


def trained(config: AgentConfig) -> Agent:
    envs = DummyVecEnv([lambda: gym.make("InvertedPendulum-v5")])
    return train_agent(envs, 32, config, seed=0)


def test_settings_reach_the_algorithm_and_its_file(tmp_path: Path) -> None:
    agent = trained(TUNED)
    agent.save(tmp_path)
    for model in (agent.model, Agent.load(tmp_path).model):
        assert type(model.learning_rate) is LinearSchedule
        # Halfway, half of the rate is left.
        assert model.lr_schedule(0.5) == pytest.approx(1e-4)
        assert model.clip_range(1.0) == 0.3
        for name in ("ent_coef", "vf_coef", "max_grad_norm", "target_kl"):
            assert getattr(model, name) == getattr(TUNED, name)
        layers = [layer for layer in model.policy.mlp_extractor.policy_net if layer is not None]
        assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [8, 4]
        assert isinstance(layers[1], nn.ELU)
    seen = np.array([0.1, 0.0, -0.2, 0.3])
    np.testing.assert_array_equal(agent(seen), Agent.load(tmp_path)(seen))


def test_an_agent_without_such_settings_is_made_as_before() -> None:
    model = trained(AgentConfig(n_envs=1, n_steps=16, batch_size=8)).model
    assert model.policy_kwargs == {"log_std_init": -0.5}
    assert model.learning_rate == 3e-4


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ParameterError, match="activation"):
        AgentConfig(activation="Sine")  # type: ignore[arg-type]
