"""Environments as LeRobot's EnvHub takes them; the `env.py` of a repository calls this."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

from learned_envs import argument, registry
from learned_envs.card import read_card
from learned_envs.hub import COMMIT
from learned_envs.location import FILE_NAME, settled

STATE = "agent_pos"
"""What LeRobot calls observations that are numbers and no pictures: its `observation.state`."""


class LeRobotFace(gym.ObservationWrapper[Any, Any, Any]):
    """An environment whose observations have the name that LeRobot looks for.

    Attributes:
        task: what it is called.
        task_description: the same in words.
    """

    def __init__(self, env: gym.Env[Any, Any], task: str) -> None:
        super().__init__(env)
        self.task, self.task_description = task, f"the learned simulator of {task}"
        self.observation_space = gym.spaces.Dict({STATE: env.observation_space})

    def observation(self, observation: Any) -> dict[str, Any]:
        """Name what is observed."""
        return {STATE: observation}


def make_env(
    checkpoint: str | Path, n_envs: int = 1, use_async_envs: bool = False
) -> VectorEnv[Any, Any, Any]:
    """Make environments as LeRobot takes them, each of one checkpoint.

    Args:
        checkpoint: a fit's folder, a file, or a model on the hub.
        n_envs: how many there are.
        use_async_envs: whether each has a process of its own.

    Raises:
        ParameterError: if `n_envs` is no whole number that is at least 1.
        CheckpointError: if the checkpoint cannot be read.
    """
    n_envs = argument.count("n_envs", n_envs)
    checkpoint = settled(checkpoint)
    card = read_card(checkpoint)
    rules = "hosted" if card.hosted else "traced"
    one = partial(_one, str(checkpoint), rules, card.task)
    if argument.flag("use_async_envs", use_async_envs):
        # A process that was forked from one in which torch has threads may hang.
        return AsyncVectorEnv([one] * n_envs, context="spawn")
    return SyncVectorEnv([one] * n_envs)


def envs_beside(
    file: Path, repository: str, n_envs: int = 1, use_async_envs: bool = False
) -> VectorEnv[Any, Any, Any]:
    """Make environments of the model in the repository that a file is of; see `make_env`.

    Args:
        file: the repository's `env.py`, in a clone or in the cache of the hub's client.
        repository: "user/name", where the weights are if they do not lie beside the file.
        n_envs: how many there are.
        use_async_envs: whether each has a process of its own.
    """
    if (weights := file.parent / FILE_NAME).is_file():
        return make_env(weights, n_envs, use_async_envs)
    # The cache keeps each commit in a folder of its name.
    commit = file.parent.name
    pinned = f"@{commit}" if COMMIT.fullmatch(commit) else ""
    return make_env(f"hf://{repository}{pinned}", n_envs, use_async_envs)


def _one(checkpoint: str, rules: str, task: str) -> gym.Env[Any, Any]:
    env = gym.make(registry.ANY, checkpoint=checkpoint, rules=rules)
    return LeRobotFace(env, task)
