"""The settings of the agents that this package trains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta
from stable_baselines3 import PPO
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from learned_envs.sb3.stored import CLASSES, Activation, Layers
from learned_envs.schema import Count, NotNegative, Positive, Share, check


@dataclass(frozen=True)
class AgentConfig:
    """A PPO agent, as the demo, the benchmarks and a collection train it.

    >>> AgentConfig.of("Hopper").steps
    2000000
    >>> AgentConfig.of("HalfCheetah") == AgentConfig()
    True

    Raises:
        ParameterError: if a setting is of another type, or out of range.
    """

    n_envs: Count = 64
    """Environments stepped at once."""
    n_steps: Count = 64
    """Steps of each between two rounds of learning."""
    batch_size: Annotated[int, Meta(ge=2)] = 256
    """Transitions in one gradient step."""
    n_epochs: Count = 6
    """Passes over the transitions of a round."""
    learning_rate: Positive = 3e-4
    """Adam's learning rate."""
    gamma: Share = 0.99
    """Discount."""
    gae_lambda: Share = 0.95
    """GAE's lambda: smaller values give the advantages more bias and less variance."""
    log_std_init: Annotated[float, Meta(ge=-100, le=100)] = -0.5
    """Logarithm of the first standard deviation of actions."""
    use_sde: bool = False
    """Explore by noise that depends on the state (gSDE) and stays for a while."""
    sde_sample_freq: Annotated[int, Meta(ge=-1)] = -1
    """Steps after which that noise is drawn anew; -1: once a round of learning."""
    net_arch: Layers | None = None
    """Units of the hidden layers, of the policy and of the critic; SB3's two of 64 if None."""
    activation: Activation = "Tanh"
    """Between the layers."""
    clip_range: Positive = 0.2
    """How far a round may change the probability of an action, as a share of it."""
    ent_coef: NotNegative = 0.0
    """Reward for the entropy of actions."""
    vf_coef: NotNegative = 0.5
    """Weight of the critic's error."""
    max_grad_norm: Positive = 0.5
    """The gradient is clipped to this norm."""
    target_kl: Positive | None = None
    """A round ends early if the policy changed by more than 1.5 times this divergence."""
    anneal: bool = False
    """Lower the learning rate to zero over the training, in a straight line."""
    process_noise: NotNegative = 0.0
    """Of learned environments that it trains in; see `LearnedVectorEnv`."""
    steps: Count = 1_000_000
    """Environment steps of a whole training."""

    def __post_init__(self) -> None:
        check(self)

    def algorithm(self, envs: VecEnv, seed: int | None) -> PPO:
        """Make the untrained algorithm in `envs`, of which there are `n_envs`."""
        rate = self.learning_rate
        networks: dict[str, Any] = {"log_std_init": self.log_std_init}
        if self.net_arch is not None:
            networks["net_arch"] = [*self.net_arch]
        if self.activation != "Tanh":
            networks["activation_fn"] = CLASSES["activation_fn"][self.activation]
        return PPO(
            "MlpPolicy",
            envs,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            learning_rate=LinearSchedule(rate, 0.0, 1.0) if self.anneal else rate,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            clip_range=self.clip_range,
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
            max_grad_norm=self.max_grad_norm,
            target_kl=self.target_kl,
            policy_kwargs=networks,
            use_sde=self.use_sde,
            sde_sample_freq=self.sde_sample_freq,
            seed=seed,
            device="cpu",
        )

    @classmethod
    def of(cls, task: str) -> AgentConfig:
        """Return the agent of a task: its own settings if it has any, or the default."""
        return AGENTS.get(task, cls())


HUMANOID = AgentConfig(
    n_envs=16,
    n_steps=256,
    batch_size=512,
    gamma=0.98,
    log_std_init=-1.0,
    net_arch=(256, 256),
)

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
    # Without noise it leaps to just below where its episode ends, and outside above that.
    "Ant": AgentConfig(process_noise=0.2),
    # Three settings of each robot were tried outside, for as long as 350 s of one core take.
    "Humanoid": replace(HUMANOID, gae_lambda=0.92, log_std_init=-1.5),
    "HumanoidStandup": replace(HUMANOID, steps=500_000),
}
"""Agents of the tasks that take other steps than the default, or other settings."""
