"""What a model's sensors read reaches observations, and no reset keeps it."""

from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import learned_envs  # noqa: F401
from learned_envs import registry
from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.systems.reference import describe, make_reference

TASK = "InvertedDoublePendulum"
ENV_ID = registry.env_id(TASK)
(SENSOR,) = registry.task_class(TASK).sensors
COLUMN = SENSOR.place
READING = 3.0
LIMIT = 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose sensor reads the same after every step."""
    torch.manual_seed(0)
    with closing(make_reference(TASK)) as env:
        spec = describe(env)
    model = Ensemble(SecondOrder(hidden=(8,)), spec, 2, [SENSOR])
    model.head.low.fill_(READING)
    model.head.high.fill_(READING)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_checkpoint(path, model, {"task": TASK})
    return path


def read(observations: Any) -> np.ndarray:
    return np.asarray(observations)[:, COLUMN]


@pytest.mark.parametrize("ensemble", ["member", "mean"])
def test_the_single_environment_observes_what_each_step_reads(
    checkpoint: Path, ensemble: str
) -> None:
    env = gym.make(ENV_ID, checkpoint=checkpoint, ensemble=ensemble)
    assert COLUMN == 8
    for _ in range(2):
        # Before the first step the rail's ends are out of reach, as in the reference.
        assert env.reset(seed=0)[0][COLUMN] == 0
        for _ in range(LIMIT):
            observation = env.step(env.action_space.sample())[0]
            assert observation[COLUMN] == READING
            assert observation in env.observation_space


@pytest.mark.parametrize("num_envs", [3, 100])
@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_resets_forget_it_and_final_observations_keep_it(
    checkpoint: Path, mode: AutoresetMode, tensors: bool, num_envs: int
) -> None:
    envs = gym.make_vec(
        ENV_ID,
        num_envs,
        checkpoint=checkpoint,
        autoreset_mode=mode,
        tensors=tensors,
        max_episode_steps=LIMIT,
    )
    assert (read(envs.reset(seed=0)[0]) == 0).all()
    elapsed = np.zeros(num_envs, dtype=int)
    for _ in range(4 * LIMIT):
        observation, _, terminated, truncated, infos = envs.step(np.zeros((num_envs, 1)))
        ended = np.asarray(terminated) | np.asarray(truncated)
        elapsed += 1
        if mode is AutoresetMode.SAME_STEP and ended.any():
            assert (read(np.stack(list(infos["final_obs"][ended]))) == READING).all()
            elapsed[ended] = 0
        if mode is AutoresetMode.DISABLED and ended.any():
            assert (read(observation) == READING).all()
            observation, _ = envs.reset(options={"reset_mask": ended})
            elapsed[ended] = 0
        np.testing.assert_array_equal(read(observation), np.where(elapsed > 0, READING, 0))
        if mode is AutoresetMode.NEXT_STEP:
            elapsed[ended] = -1


def test_a_system_that_was_moved_has_not_been_read(checkpoint: Path) -> None:
    envs = gym.make_vec(ENV_ID, 2, checkpoint=checkpoint, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(np.zeros((2, 1)))
    envs.unwrapped.set_state(np.zeros((2, 3)), np.zeros((2, 3)), mask=np.array([True, False]))
    observation, _ = envs.reset(options={"reset_mask": np.array([False, True])})
    assert (observation[:, COLUMN] == 0).all()
