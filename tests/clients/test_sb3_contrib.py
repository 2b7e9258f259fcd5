"""sb3-contrib's agents train in our batch and act as policies, and are not stored as ours."""

import numpy as np
import pytest

from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.sb3 import Agent, make_vec_env
from learned_envs.transfer import episode_returns


def test_tqc_learns_in_our_batch_and_acts_in_the_real_environment(client, workplace):
    contrib = client("sb3_contrib")
    envs = make_vec_env("InvertedPendulum", 4, seed=0)
    model = contrib.TQC("MlpPolicy", envs, learning_starts=8, buffer_size=500, device="cpu")
    model.learn(24)
    agent = Agent(model)
    assert np.isfinite(episode_returns(agent, "InvertedPendulum-v5", episodes=2)).all()
    model.save("tqc.zip")
    with pytest.raises(CheckpointError, match="sb3_contrib"):
        Agent.load("tqc.zip")
    with pytest.raises(ParameterError, match="TQC"):
        agent.save("agent")
