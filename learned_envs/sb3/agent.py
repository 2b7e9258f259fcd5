"""SB3 agents: how they are trained, saved and loaded, and how they act."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize

from learned_envs.errors import CheckpointError
from learned_envs.files import write_folder

Array = npt.NDArray[Any]

AGENT_FILE = "agent.zip"
"""The name of SB3's archive in an agent's folder."""

STATISTICS_FILE = "observations.npz"
"""The name of the statistics that observations are normalised by."""

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "stable_baselines3.common.policies": PPO,
    "stable_baselines3.sac.policies": SAC,
    "stable_baselines3.td3.policies": TD3,
}
"""Who loads an agent, by the module of the policy that its archive names. A2C has PPO's policy and
DDPG has TD3's, so their agents are loaded as these and act the same."""


@dataclass(frozen=True)
class AgentConfig:
    """A PPO agent, as the demo, the benchmarks and a collection train it.

    >>> AgentConfig.of("Hopper").steps
    2000000
    >>> AgentConfig.of("HalfCheetah") == AgentConfig()
    True
    """

    n_envs: int = 64
    """Environments stepped at once."""
    n_steps: int = 64
    """Steps of each between two rounds of learning."""
    batch_size: int = 256
    """Transitions in one gradient step."""
    n_epochs: int = 6
    """Passes over the transitions of a round."""
    learning_rate: float = 3e-4
    """Adam's learning rate."""
    gamma: float = 0.99
    """Discount."""
    gae_lambda: float = 0.95
    """GAE's lambda: smaller values give the advantages more bias and less variance."""
    log_std_init: float = -0.5
    """Logarithm of the first standard deviation of actions."""
    use_sde: bool = False
    """Explore by noise that depends on the state (gSDE) and stays for a while."""
    sde_sample_freq: int = -1
    """Steps after which that noise is drawn anew; -1: once a round of learning."""
    steps: int = 1_000_000
    """Environment steps of a whole training."""

    def algorithm(self, envs: VecEnv, seed: int | None) -> PPO:
        """Make the untrained algorithm in `envs`, of which there are `n_envs`."""
        return PPO(
            "MlpPolicy",
            envs,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            policy_kwargs={"log_std_init": self.log_std_init},
            use_sde=self.use_sde,
            sde_sample_freq=self.sde_sample_freq,
            seed=seed,
            device="cpu",
        )

    @classmethod
    def of(cls, task: str) -> AgentConfig:
        """Return the agent of a task: its own settings if it has any, or the default."""
        return AGENTS.get(task, cls())


AGENTS = {
    "InvertedPendulum": AgentConfig(steps=200_000),
    "InvertedDoublePendulum": AgentConfig(steps=700_000),
    "Reacher": AgentConfig(steps=500_000),
    # Only an agent that looks far ahead learns to swim with both joints, because a stroke pays
    # late. With noise drawn anew at each step, one run in three to six finds only a lesser one.
    "Swimmer": AgentConfig(
        n_envs=8,
        n_steps=1024,
        learning_rate=6e-4,
        gamma=0.9999,
        gae_lambda=0.98,
        log_std_init=-1.0,
        use_sde=True,
        sde_sample_freq=8,
        steps=750_000,
    ),
    # In one run of three it learns no more than to stand in the first million steps.
    "Hopper": AgentConfig(steps=2_000_000),
}
"""Agents of the tasks that take fewer steps than the default, or other settings."""


@dataclass(frozen=True)
class Normalisation:
    """What SB3's VecNormalize learned of observations; an agent's zip does not hold it.

    >>> normalise = Normalisation(np.zeros(2), np.ones(2), clip=10.0, epsilon=0.0)
    >>> normalise(np.array([0.5, 99.0]))
    array([ 0.5, 10. ], dtype=float32)

    Attributes:
        mean, variance: (n) each.
        clip: bound on a normalised observation.
        epsilon: added to the variance.
    """

    mean: Array
    variance: Array
    clip: float
    epsilon: float

    @classmethod
    def of(cls, envs: VecNormalize) -> Normalisation:
        """Copy what the wrapper has learned so far."""
        seen: Any = envs.obs_rms
        return cls(seen.mean.copy(), seen.var.copy(), envs.clip_obs, envs.epsilon)

    def restore(self, envs: VecNormalize, count: int) -> None:
        """Let the wrapper go on from these statistics, as if `count` observations gave them."""
        seen: Any = envs.obs_rms
        seen.mean, seen.var, seen.count = self.mean.copy(), self.variance.copy(), count

    def __call__(self, observation: Array) -> Array:
        """Normalise observations, (*batch, n)."""
        standard = (observation - self.mean) / np.sqrt(self.variance + self.epsilon)
        return np.asarray(np.clip(standard, -self.clip, self.clip), dtype=np.float32)


class Agent:
    """An SB3 model and the statistics that normalise what it observes: a policy."""

    def __init__(self, model: BaseAlgorithm, normalisation: Normalisation | None = None) -> None:
        self.model = model
        self.normalisation = normalisation

    def __call__(self, observation: Array) -> Array:
        """Act deterministically on observations (n) or (batch, n)."""
        if self.normalisation is not None:
            observation = self.normalisation(observation)
        return self.model.predict(observation, deterministic=True)[0]

    def save(self, folder: str | Path) -> None:
        """Write the agent's files into `folder`; an agent that was there is replaced.

        Raises:
            OutputError: if they cannot be written.
        """
        archive, statistics = io.BytesIO(), io.BytesIO()
        self.model.save(archive)
        if (seen := self.normalisation) is not None:
            np.savez(statistics, **vars(seen))
        files = {
            AGENT_FILE: archive.getvalue(),
            STATISTICS_FILE: None if seen is None else statistics.getvalue(),
        }
        write_folder(Path(folder), files)

    @classmethod
    def load(cls, path: str | Path) -> Agent:
        """Read a folder that `save` wrote, or the zip of an SB3 agent: PPO, SAC or TD3.

        SB3's archives hold pickles. Load only those that you trust.

        Raises:
            CheckpointError: if there is no agent, or one that cannot be read.
        """
        path = Path(path)
        archive = path / AGENT_FILE if path.is_dir() else path
        if not archive.is_file():
            raise CheckpointError(
                f"There is no agent at {path}. Expected the zip of an SB3 agent, or a "
                f"folder with {AGENT_FILE}."
            )
        try:
            data = load_from_zip_file(archive, device="cpu")[0] or {}
            algorithm = ALGORITHMS[data["policy_class"].__module__]
            model = algorithm.load(archive, device="cpu")
        except (ValueError, KeyError, AttributeError, EOFError) as error:
            raise CheckpointError(
                f"{archive} is not an agent that can be read ({error!r}). Expected what an SB3 "
                "PPO, SAC or TD3 model's `save` wrote."
            ) from error
        statistics = archive.with_name(STATISTICS_FILE)
        normalisation = None
        # A zip of another name may lie beside the statistics of another agent.
        if archive.name == AGENT_FILE and statistics.is_file():
            with np.load(statistics) as seen:
                normalisation = Normalisation(
                    seen["mean"], seen["variance"], float(seen["clip"]), float(seen["epsilon"])
                )
        return cls(model, normalisation)


@dataclass(frozen=True)
class SavedAgent:
    """A policy that loads its agent when it is first called, so that processes can be sent it."""

    path: Path

    def __call__(self, observation: Array) -> Array:
        """Act on one observation (n)."""
        return self._agent(observation)

    @cached_property
    def _agent(self) -> Agent:
        return Agent.load(self.path)


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
    """
    config = config or AgentConfig()
    normalised = VecNormalize(envs, gamma=config.gamma)
    model = config.algorithm(normalised, seed)
    if start is not None:
        parameters: Any = start.model.get_parameters()
        model.set_parameters(parameters)
        if start.normalisation is not None:
            start.normalisation.restore(normalised, count=steps)
    model.learn(steps, callback=callback)
    return Agent(model, Normalisation.of(normalised))


def learn_outside(
    task: str, make_env: Callable[[], gym.Env[Any, Any]], steps: int, seed: int
) -> None:
    """Train a task's agent in real environments: a driver, recorded while it learns.

    Args:
        task: name of the task; its agent is `AgentConfig.of(task)`.
        make_env: makes one environment that is recorded.
        steps: environment steps, rounded down to whole rounds of learning; one round at least.
        seed: seeds the agent and its environments.
    """
    config = AgentConfig.of(task)
    round_steps = config.n_envs * config.n_steps
    envs = DummyVecEnv([make_env] * config.n_envs)
    try:
        train_agent(VecMonitor(envs), max(steps // round_steps, 1) * round_steps, config, seed)
    finally:
        envs.close()
