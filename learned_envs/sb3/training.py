"""How agents are trained: in any of SB3's environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gymnasium as gym
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize

from learned_envs import argument
from learned_envs.collect.recorded import RecordedEnvs
from learned_envs.errors import ParameterError
from learned_envs.sb3.agent import Agent
from learned_envs.sb3.config import AgentConfig
from learned_envs.sb3.making import make_vec_env
from learned_envs.sb3.normalisation import Normalisation
from learned_envs.sb3.recorded_envs import RecordedVecEnv


class Learnable(Protocol):
    """What `train_agent` needs to know of an algorithm and its settings."""

    @property
    def n_envs(self) -> int:
        """Environments stepped at once."""

    @property
    def gamma(self) -> float:
        """Discount."""

    def algorithm(self, envs: VecEnv, seed: int | None) -> BaseAlgorithm:
        """Make the untrained algorithm in `envs`, of which there are `n_envs`."""


def training_envs(env_id: str, config: Learnable, env_kwargs: Mapping[str, Any]) -> VecEnv:
    """Make the learned environments that an agent trains in: its number, and its process noise."""
    noise = getattr(config, "process_noise", 0.0)
    arguments = {"process_noise": noise, **env_kwargs} if noise else env_kwargs
    return make_vec_env(env_id, config.n_envs, env_kwargs=arguments)


def train_agent(
    envs: VecEnv,
    steps: int,
    config: Learnable | None = None,
    seed: int | None = None,
    callback: BaseCallback | None = None,
    start: Agent | None = None,
) -> Agent:
    """Train an agent with normalised observations and rewards.

    Args:
        envs: as many environments as `config.n_envs` says.
        steps: environment steps to train for, rounded up to whole rounds of learning.
        config: the algorithm; if None, the PPO of [`AgentConfig`][learned_envs.sb3.AgentConfig].
        seed: seeds the agent and its environments.
        callback: SB3's callback.
        start: an agent of the same settings to train further, instead of a new one.

    Raises:
        ParameterError: if `steps` or `seed` are no such numbers, or `start` is an agent of another
            algorithm, of other networks or of other spaces.
    """
    config = AgentConfig() if config is None else config
    argument.function("config.algorithm", getattr(config, "algorithm", None))
    argument.count("steps", steps)
    if seed is not None:
        argument.count("seed", seed, 0)
    if envs.num_envs != config.n_envs:
        raise ParameterError(
            f"Got {envs.num_envs} environments, expected n_envs={config.n_envs} of the settings."
        )
    if start is not None:
        start.check_spaces(envs.observation_space, envs.action_space)
    normalised = VecNormalize(envs, gamma=config.gamma)
    model = config.algorithm(normalised, seed)
    if start is not None:
        parameters: Any = start.model.get_parameters()
        try:
            model.set_parameters(parameters)
        except (ValueError, RuntimeError, KeyError) as error:
            raise ParameterError(
                f"The agent to train further is a {type(start.model).__name__} that does not fit "
                f"the {type(model).__name__} of these settings ({error}). Begin with a new one, or "
                "use the settings that it was trained with."
            ) from error
        if start.normalisation is not None:
            start.normalisation.restore(normalised, count=steps)
    model.learn(steps, callback=callback)
    return Agent(model, Normalisation.of(normalised))


def learn_outside(
    task: str,
    make_env: Callable[[], gym.Env[Any, Any]],
    steps: int,
    seed: int,
    config: AgentConfig | None = None,
) -> None:
    """Train a task's agent in real environments: a driver, recorded while it learns.

    Args:
        task: name of the task.
        make_env: makes one environment that is recorded.
        steps: environment steps, rounded down to whole rounds of learning; one round at least.
        seed: seeds the agent and its environments.
        config: the agent; if None, the task's own, `AgentConfig.of(task)`.
    """
    config = AgentConfig.of(task) if config is None else config
    round_steps = config.n_envs * config.n_steps
    together = make_env.lockstep(config.n_envs) if isinstance(make_env, RecordedEnvs) else None
    envs: VecEnv = (
        DummyVecEnv([make_env] * config.n_envs) if together is None else RecordedVecEnv(together)
    )
    try:
        train_agent(VecMonitor(envs), max(steps // round_steps, 1) * round_steps, config, seed)
    finally:
        envs.close()
