"""What a policy is worth inside and outside, and how fast both environments are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random
from rich.table import Table
from stable_baselines3.common.vec_env import VecEnv

from learned_envs import argument, registry
from learned_envs.card import read_card
from learned_envs.collect.recorder import Policy
from learned_envs.evaluation.returns import returns_outside, rewards_inside
from learned_envs.evaluation.speed import measure, random_actions
from learned_envs.registration import episode_steps
from learned_envs.sb3 import AgentConfig, make_vec_env
from learned_envs.sb3.normalisation import Array
from learned_envs.simulation import Simulation
from learned_envs.systems.reference import UNLIMITED
from learned_envs.transfer.training import make_real_vec_env

SPEED_ENVS = AgentConfig().n_envs
"""Environments at once when speed is measured: as many as the agent trains in."""


UNSCORED = (
    "ensemble",
    "max_disagreement",
    "disagreement_penalty",
    "disagreement_in_info",
    "process_noise",
)
"""Options of a learned environment that do not matter to a score."""


@dataclass(frozen=True)
class Transfer:
    """What a policy is worth inside and outside.

    Attributes:
        inside: returns of episodes in the learned environment.
        outside: returns of episodes in the real one.
        speed_inside: environment steps per second of the learned environments, behind SB3.
        speed_outside: environment steps per second of the real ones, behind SB3.
    """

    inside: Array
    outside: Array
    speed_inside: float
    speed_outside: float

    @property
    def ratio(self) -> float:
        """Mean return outside over mean return inside."""
        return float(self.outside.mean() / self.inside.mean())

    def table(self) -> Table:
        """Lay the figures out for a terminal."""
        table = Table("", "inside (learned)", "outside (real)", "outside / inside")
        for column in table.columns[1:]:
            column.justify = "right"
        table.add_row(
            f"return, {len(self.inside)} episodes",
            f"{self.inside.mean():,.0f} ± {self.inside.std():,.0f}",
            f"{self.outside.mean():,.0f} ± {self.outside.std():,.0f}",
            f"{self.ratio:.2f}",
        )
        table.add_row(
            f"steps/s, {SPEED_ENVS} envs",
            f"{self.speed_inside:,.0f}",
            f"{self.speed_outside:,.0f}",
            f"1 / {self.speed_inside / self.speed_outside:.1f}",
        )
        return table


def episode_returns(
    policy: Policy,
    env_id: str,
    episodes: int = 20,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Array:
    """Run full episodes from the task's own starts and return what each returned, (episodes).

    >>> space = Box(-1.0, 1.0, (2,))
    >>> episode_returns(random_policy(space), "Reacher-v5", episodes=3).shape
    (3,)

    In a learned environment each episode has one fixed member of the ensemble. Disagreement
    neither cuts an episode nor costs reward, and there is no process noise.

    Args:
        policy: from observations (episodes, n) to actions (episodes, nu), all episodes at once.
        env_id: a Gymnasium id, of a learned environment or a real one.
        episodes: how many.
        seed: decides the starts.
        env_kwargs: the environment's own parameters; also `checkpoint` and `reference`, if it is
            learned.

    Raises:
        UnknownNameError: if a learned environment is unknown.
        CheckpointError: if its checkpoint cannot be read, or is of another task.
        ParameterError: if the policy knows other spaces, or an argument is out of range.
    """
    argument.count("episodes", episodes)
    argument.count("seed", seed, 0)
    arguments = dict(env_kwargs or {})
    if not env_id.removeprefix("learned_envs:").startswith("LearnedSim-"):
        return returns_outside(policy, env_id, episodes, seed, arguments)
    env_id = registry.learned_id(env_id)
    made = gym.spec(env_id).kwargs
    checkpoint = arguments.pop("checkpoint", None) or made.get("checkpoint", env_id)
    reference = arguments.setdefault("reference", made.get("reference"))
    card = read_card(checkpoint, made.get("task") if reference is None else None)
    limit = arguments.pop("max_episode_steps", None) or episode_steps(card, reference) or UNLIMITED
    precise, compiled = arguments.pop("precision", "float32"), arguments.pop("compile", "auto")
    own = {name: value for name, value in arguments.items() if name not in UNSCORED}
    simulation = Simulation.load(card.pinned or checkpoint, **own)
    simulation = simulation if precise == "float32" else simulation.to_bfloat16()
    simulation = replace(simulation, compile=compiled)
    # A learned environment of this seed would draw by this one.
    drawn = int(np_random(seed)[0].integers(2**63 - 1))
    rewards = rewards_inside(policy, simulation, episodes, limit, drawn)
    return np.asarray(rewards.double().cumsum(1)[:, -1].cpu())


def random_policy(space: Box, seed: int = 0) -> Policy:
    """Return a policy that draws actions uniformly from `space`, for many episodes at once."""
    random = np.random.default_rng(seed)

    def act(observation: Array) -> Array:
        shape = (len(observation), *space.shape)
        return random.uniform(space.low, space.high, shape).astype(np.float32)

    return act


def steps_per_second(envs: VecEnv, seconds: float = 1.0) -> float:
    """Step `envs` under random actions for `seconds` and return environment steps per second."""
    actions = random_actions(envs.action_space, envs.num_envs)
    envs.reset()
    return measure(lambda: envs.step(next(actions)), envs.num_envs, seconds)


def score(
    policy: Policy,
    task: str,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    episodes: int = 20,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Transfer:
    """Score a policy inside and outside, and measure how fast both environments are.

    Args:
        policy: from observations (episodes, n) to actions (episodes, nu).
        task: the registered name of the task.
        seed: decides the starts.
        checkpoint: a checkpoint or a fit's folder; the shipped weights if None.
        episodes: how many inside, and how many outside.
        env_kwargs: the reference environment's own parameters, for both.

    Raises:
        UnknownNameError: if there is no such task.
        CheckpointError: if the checkpoint cannot be read.
        ParameterError: if the policy knows other spaces, or an argument is out of range.
    """
    entry, outside = registry.task_entry(registry.task_of(task)), dict(env_kwargs or {})
    task = entry.name
    inside = {**outside, "checkpoint": checkpoint}
    returns = (
        episode_returns(policy, registry.env_id(task), episodes, seed, inside),
        episode_returns(policy, entry.reference_id, episodes, seed, {**entry.kwargs, **outside}),
    )
    with (
        closing(make_vec_env(task, SPEED_ENVS, seed, env_kwargs=inside)) as learned,
        closing(make_real_vec_env(task, SPEED_ENVS, outside)) as real,
    ):
        return Transfer(*returns, steps_per_second(learned), steps_per_second(real))
