"""What a policy returns in whole episodes: inside a simulation, and outside, in real MuJoCo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from learned_envs import argument, arrays
from learned_envs.collect.recorder import Policy
from learned_envs.collect.spaces import expect_spaces
from learned_envs.data.recording import Array
from learned_envs.errors import ActionError
from learned_envs.simulation import Simulation, TensorPolicy
from learned_envs.systems.reference import UNLIMITED, deprecations_swallowed, registered


def episode_limit(task: str) -> int:
    """Return the steps after which the real environment of a task truncates an episode."""
    return int(registered(task).max_episode_steps or UNLIMITED)


def in_torch(policy: Policy) -> TensorPolicy:
    """Let a policy act on tensors, which it sees as float64 arrays."""

    def act(observation: Tensor) -> Tensor:
        action = policy(observation.double().cpu().numpy())
        try:
            return torch.as_tensor(action, dtype=observation.dtype, device=observation.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ActionError(
                f"Got actions that are no array of numbers ({error}), expected one for each "
                "observation."
            ) from error

    return act


@torch.no_grad()
def rewards_inside(
    policy: Policy,
    simulation: Simulation,
    episodes: int,
    steps: int,
    seed: int = 0,
) -> Tensor:
    """Run whole episodes in a model, from the task's own starts, each with one fixed member.

    Members' disagreement neither cuts an episode nor costs anything.

    Args:
        policy: from observations (episodes, n) to actions (episodes, nu).
        simulation: the model and its task.
        episodes: how many, side by side.
        steps: after which an episode is truncated.
        seed: decides starts and members.

    Returns:
        The rewards, (episodes, steps); zeros after an episode's end.

    Raises:
        ArgumentTypeError: if the policy or the simulation is none.
        ParameterError: if the policy knows other spaces, or a number is no whole one.
        ActionError, ShapeError: if its actions are none of the task.
    """
    argument.function("policy", policy)
    argument.instance("simulation", simulation, Simulation)
    seed, task = argument.count("seed", seed, 0), simulation.task
    expect_spaces(policy, task.observation_space, task.action_space)
    generator = torch.Generator(simulation.device).manual_seed(seed)
    start = simulation.reset(episodes, generator)
    rollout = simulation.rollout(start, in_torch(policy), steps)
    return rollout.rewards * rollout.alive


def returns_outside(
    policy: Policy,
    env_id: str,
    episodes: int,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Array:
    """Run whole episodes in a real environment, from its own starts, and return their returns.

    Args:
        policy: from observations (episodes, n) to actions (episodes, nu), all episodes at once.
        env_id: the environment's Gymnasium id.
        episodes: how many.
        seed: decides the first start; the seed of each further one is one more.
        env_kwargs: the environment's own parameters.

    Returns:
        (episodes) float64.

    Raises:
        ArgumentTypeError: if the policy is none.
        ParameterError: if the policy knows other spaces, or a number is no whole one.
        ActionError, ShapeError: if its actions are none of the environment.
    """
    argument.function("policy", policy)
    episodes, seed = argument.count("episodes", episodes), argument.count("seed", seed, 0)
    with deprecations_swallowed():
        envs = gym.make_vec(env_id, episodes, vectorization_mode="sync", **(env_kwargs or {}))
    with closing(envs):
        expect_spaces(policy, envs.single_observation_space, envs.single_action_space)
        observation, _ = envs.reset(seed=seed)
        returns = np.zeros(episodes)
        running = np.ones(episodes, dtype=np.bool_)
        while running.any():
            action = policy(observation)
            # Only looked at: rounding it would change what the environment pays.
            arrays.array("actions", action, envs.action_space.shape or (), ActionError)
            observation, reward, terminated, truncated, _ = envs.step(action)
            returns += np.where(running, reward, 0.0)
            running &= ~(terminated | truncated)
    return returns
