"""What a model remembers goes with its episode, and begins with it, however members are used."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import learned_envs  # noqa: F401
from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.recurrent import Recurrent
from learned_envs.systems.reference import spec_of

ENV_ID = "LearnedSim-Hopper-v0"
LIMIT = 4


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A model whose steps depend on those before; without noise all episodes begin the same."""
    torch.manual_seed(0)
    model = Ensemble(Recurrent(hidden=(16,)), spec_of("Hopper"), 2)
    model.model.increment.spread.fill_(0.01)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_checkpoint(path, model, {"task": "Hopper"})
    return {
        "checkpoint": path,
        "ensemble": "mean",
        "reset_noise_scale": 0.0,
        "terminate_when_unhealthy": False,
    }


def test_a_single_environment_remembers_as_many_do(options: dict[str, Any]) -> None:
    env, envs = gym.make(ENV_ID, **options), gym.make_vec(ENV_ID, 2, **options)
    env.reset(seed=0), envs.reset(seed=0)
    for _ in range(5):
        ours, theirs = env.step(np.ones(3))[0], envs.step(np.ones((2, 3)))[0]
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-4, atol=1e-5)


def test_an_episode_that_begins_remembers_nothing(options: dict[str, Any]) -> None:
    envs = gym.make_vec(ENV_ID, 2, max_episode_steps=LIMIT, autoreset_mode="SameStep", **options)
    envs.reset(seed=0)
    seen = np.stack([envs.step(np.ones((2, 3)))[0] for _ in range(3 * LIMIT)])
    first, *others = np.split(seen, 3)
    assert not np.allclose(np.diff(first[:-1], axis=0)[0], np.diff(first[:-1], axis=0)[1])
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_a_reset_leaves_what_other_episodes_remember(options: dict[str, Any]) -> None:
    envs, twin = (gym.make_vec(ENV_ID, 2, autoreset_mode="Disabled", **options) for _ in range(2))
    begun = envs.reset(seed=0)[0]
    twin.reset(seed=0)
    first = envs.step(np.ones((2, 3)))[0]
    twin.step(np.ones((2, 3)))
    again, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(again[0], begun[0])
    ours, theirs = (e.step(np.ones((2, 3)))[0] for e in (envs, twin))
    np.testing.assert_array_equal(ours[0], first[0])
    np.testing.assert_array_equal(ours[1], theirs[1])
