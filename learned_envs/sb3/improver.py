"""What trains an agent inside a model, in a round of a fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv

from learned_envs.fit.config import RoundsConfig
from learned_envs.sb3.agent import Agent, SavedAgent
from learned_envs.sb3.config import AgentConfig
from learned_envs.sb3.learning_curve import LearningCurve
from learned_envs.sb3.training import Learnable, train_agent, training_envs
from learned_envs.schema import Count, NotNegative, Share, check
from learned_envs.state import State


@dataclass(frozen=True)
class OffPolicyConfig:
    """A SAC or TD3 agent that learns in many environments at once."""

    method: type[SAC | TD3]
    gamma: float = 0.99
    n_envs: int = 32
    batch_size: int = 256
    gradient_steps: int = 8
    """Updates after each step of all environments."""
    exploration: float = 0.0
    """Standard deviation of the noise on actions, scaled to [-1, 1]; SAC explores by itself."""

    def algorithm(self, envs: VecEnv, seed: int | None) -> SAC | TD3:
        """Make the untrained algorithm in `envs`, of which there are `n_envs`."""
        size = np.zeros(envs.action_space.shape or ())
        noise = NormalActionNoise(size, size + self.exploration) if self.exploration else None
        return self.method(
            "MlpPolicy",
            envs,
            gamma=self.gamma,
            batch_size=self.batch_size,
            gradient_steps=self.gradient_steps,
            learning_starts=100 * self.n_envs,
            action_noise=noise,
            seed=seed,
            device="cpu",
        )


CONFIGS: dict[str, Callable[[str], Learnable]] = {
    "ppo": AgentConfig.of,
    "sac": lambda task: OffPolicyConfig(SAC, AgentConfig.of(task).gamma),
    "td3": lambda task: OffPolicyConfig(TD3, AgentConfig.of(task).gamma, exploration=0.1),
}
"""What gives the settings of each algorithm for a task."""


@dataclass(frozen=True)
class Improver:
    """Trains an agent inside a model, from recorded states too, and makes disagreement cost reward.

    [`fit`][learned_envs.fit.fit] calls it in each round; it is an
    [`Improve`][learned_envs.fit.rounds.Improve].

    Attributes:
        task: the registered name of the task.
        algorithm: "ppo", "sac" or "td3".
        steps: environment steps inside, of each training.
        penalty: reward lost for each unit of the members' disagreement.
        start_fraction: share of the episodes that begin from recorded states.
        fresh: begin each time with a new agent, instead of training the last one further.
        episode_steps: steps after which an episode inside is cut; None: the task's own limit.

    Raises:
        ParameterError: if a setting is of another type, or out of range.
    """

    task: str
    algorithm: Literal["ppo", "sac", "td3"] = "ppo"
    steps: Count = 300_000
    penalty: NotNegative = 1.0
    start_fraction: Share = 0.5
    fresh: bool = False
    episode_steps: Count | None = None

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def of(cls, task: str, config: RoundsConfig) -> Improver:
        """Return the improver that a fit's settings ask for."""
        names = ("algorithm", "penalty", "start_fraction", "fresh")
        settings = {name: getattr(config, name) for name in names}
        return cls(task, steps=config.agent_steps, **settings)

    def __call__(
        self,
        checkpoint: Path,
        starts: State,
        previous: Path | None,
        out: Path,
        seed: int,
        on_progress: Callable[[int], None] | None = None,
    ) -> SavedAgent:
        """Train an agent and leave it in `out`; if a whole one is there already, return that.

        Args:
            checkpoint: the model's.
            starts: recorded states, q (n, nq) and v (n, nv), that episodes may begin from.
            previous: the folder of the agent to train further; None for a new one.
            out: the folder that the agent is left in.
            seed: determines the training.
            on_progress: called with the steps taken so far.
        """
        if out.exists():
            return SavedAgent(out)
        config = CONFIGS[self.algorithm](self.task)
        arguments: dict[str, Any] = {
            "checkpoint": checkpoint,
            "starts": starts,
            "start_fraction": self.start_fraction,
            "disagreement_penalty": self.penalty,
        }
        if self.episode_steps is not None:
            arguments["max_episode_steps"] = self.episode_steps
        start = None if previous is None or self.fresh else Agent.load(previous)
        with closing(training_envs(self.task, config, arguments)) as envs:
            curve = LearningCurve(on_progress)
            agent = train_agent(envs, self.steps, config, seed, curve, start)
        agent.save(out)
        return SavedAgent(out)
