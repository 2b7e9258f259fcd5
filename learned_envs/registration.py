"""Ids of Gymnasium for environments of one's own fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from learned_envs import argument, registry
from learned_envs.card import Card, read_card
from learned_envs.errors import ParameterError
from learned_envs.location import lasting


def register(id: str, checkpoint: str | Path, **options: Any) -> None:
    """Register the environment of a checkpoint with Gymnasium, under an id of one's own.

    Nothing but the checkpoint is needed to make it.

    Args:
        id: such as "LearnedSim-MyRobot-v0".
        checkpoint: a fit's folder, a file, or a model on the hub at the commit that it has now; it
            is read when an environment is made.
        options: what environments are made with, as
            [`LearnedEnv`][learned_envs.envs.single.LearnedEnv] takes them.

    Raises:
        ParameterError: if the id is none, or is registered otherwise.
        CheckpointError: if the checkpoint cannot be read.
    """
    argument.instance("id", id, str)
    checkpoint = lasting(checkpoint)
    card = read_card(checkpoint)
    kwargs = {"checkpoint": checkpoint, **options}
    try:
        gym.envs.registration.parse_env_id(id)
    except gym.error.Error as error:
        raise ParameterError(
            f"Got the id {id!r} ({error}). Expected one such as 'LearnedSim-MyRobot-v0'."
        ) from error
    if id in gym.registry and gym.registry[id].kwargs != kwargs:
        raise ParameterError(
            f"Got the id {id!r}, which is registered with {gym.registry[id].kwargs}. Choose "
            "another."
        )
    reference = options.get("reference")
    steps, threshold = episode_steps(card, reference), reward_threshold(card, reference)
    registry.register_env(id, kwargs, steps, threshold)


def episode_steps(card: Card, reference: str | None = None) -> int | None:
    """Return after how many steps an episode is truncated; None: never.

    Args:
        card: of the checkpoint.
        reference: the environment whose rules are used; None for the checkpoint's own.
    """
    if reference is None and card.reference is not None:
        return card.reference.episode_steps
    return gym.spec(registry.env_id(registry.task_of(reference or card.task))).max_episode_steps


def reward_threshold(card: Card, reference: str | None = None) -> float | None:
    """Return from which return on a task counts as solved; None if that is unknown."""
    if reference is None and card.reference is not None:
        return card.reference.reward_threshold
    return gym.spec(registry.env_id(registry.task_of(reference or card.task))).reward_threshold
