"""The environment of any checkpoint, which `gym.make("LearnedSim-v0", checkpoint=...)` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

from learned_envs.card import read_card
from learned_envs.envs.single import LearnedEnv
from learned_envs.errors import ParameterError
from learned_envs.registration import episode_steps


def make(checkpoint: str | Path | None = None, **options: Any) -> gym.Env[Any, Any]:
    """Make a learned environment of what a checkpoint holds, with the reference's step limit.

    Args:
        checkpoint: a fit's folder, a weights file, or the name or id of a task.
        options: those of [`LearnedEnv`][learned_envs.envs.single.LearnedEnv].

    Raises:
        ParameterError: if there is no checkpoint, or an option is out of range.
        CheckpointError: if it cannot be read.
    """
    if checkpoint is None:
        raise ParameterError(
            'Got no checkpoint, expected one: gym.make("LearnedSim-v0", checkpoint="runs/mine").'
        )
    env = LearnedEnv(None, checkpoint=checkpoint, **options)
    limit = episode_steps(read_card(checkpoint))
    return env if limit is None else TimeLimit(env, limit)
