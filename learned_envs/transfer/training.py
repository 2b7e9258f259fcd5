"""The same agent, trained inside or outside."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from learned_envs import argument, registry
from learned_envs.sb3 import Agent, AgentConfig, train_agent, training_envs
from learned_envs.systems.reference import make_reference


def train_inside(
    task: str,
    steps: int,
    seed: int,
    checkpoint: str | Path | None = None,
    config: AgentConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    callback: BaseCallback | None = None,
) -> Agent:
    """Train an agent in a learned environment.

    Args:
        task: the registered name of the task.
        steps: environment steps, rounded up to whole rounds of learning.
        seed: determines agent and episodes.
        checkpoint: a checkpoint or a fit's folder; the shipped weights if None.
        config: the agent; if None, the task's own, `AgentConfig.of(task)`.
        env_kwargs: further arguments of
            [`LearnedVectorEnv`][learned_envs.envs.vector.LearnedVectorEnv].
        callback: SB3's callback.

    Raises:
        UnknownNameError: if there is no such task.
        CheckpointError: if the checkpoint cannot be read.
        ParameterError: if an argument of the environment is unknown or out of range.
    """
    config = _settings(task, config)
    arguments = {"checkpoint": checkpoint, **(env_kwargs or {})}
    with closing(training_envs(task, config, arguments)) as envs:
        return train_agent(envs, steps, config, seed, callback)


def train_outside(
    task: str,
    steps: int,
    seed: int,
    config: AgentConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    callback: BaseCallback | None = None,
) -> Agent:
    """Train the same agent in the real environment.

    The arguments are those of [`train_inside`][learned_envs.transfer.train_inside].
    """
    config = _settings(task, config)
    with closing(make_real_vec_env(task, config.n_envs, env_kwargs)) as envs:
        return train_agent(envs, steps, config, seed, callback)


def _settings(task: str, config: AgentConfig | None) -> AgentConfig:
    """Return an agent's settings, the task's own if there are none."""
    config = AgentConfig.of(registry.task_of(task)) if config is None else config
    argument.function("config.algorithm", getattr(config, "algorithm", None))
    return config


def make_real_vec_env(
    task: str, n_envs: int, env_kwargs: Mapping[str, Any] | None = None
) -> VecMonitor:
    """Make what [`make_vec_env`][learned_envs.sb3.make_vec_env] makes, of real environments."""
    make = partial(make_reference, registry.task_of(task), **(env_kwargs or {}))
    return VecMonitor(DummyVecEnv([make] * n_envs))
