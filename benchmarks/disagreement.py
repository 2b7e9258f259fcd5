"""Which cuts does a single environment miss because it measures disagreement in bfloat16?

    python benchmarks/disagreement.py                   # three tasks, ten minutes
    python benchmarks/disagreement.py --task Hopper --train 0

By default native code steps an episode's member in float32, and computes the others in bfloat16,
because they only say how far they are from it. With `disagreement_in_info=True` all of them are
computed in float32. Both kinds of environment take the same steps from the same states. These are
of agents inside: a random one, and PPO that was trained inside for a while, as it comes and without
ever being cut, so that it may exploit what the model has wrong. An episode goes on until both have
cut it or it ends by itself. The table counts the episodes that the full check cuts, the ones among
them that are cut by default at the same step, at another or not at all, and those that are cut by
default alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, registry
from learned_envs.envs import LearnedEnv
from learned_envs.transfer import Policy, random_policy, train_inside

Cuts = tuple[int | None, int | None]
"""The step at which an episode is cut by default, and by the full check; None for never."""


@dataclass(frozen=True)
class Options:
    """Compare cuts of episodes."""

    task: tuple[str, ...] = ("Hopper", "Walker2d", "HalfCheetah")
    """Names of tasks with shipped weights."""
    train: int = 200_000
    """Environment steps of each agent's training."""
    episodes: int = 100
    """Episodes of each agent."""


def cuts(task: str, policy: Policy, episodes: int) -> list[Cuts]:
    """Run episodes, each until both checks have cut it or it ends by itself."""
    limit = gym.spec(registry.env_id(task)).max_episode_steps
    assert limit is not None
    env, full = LearnedEnv(task), LearnedEnv(task, disagreement_in_info=True)
    found: list[Cuts] = []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        full.reset(seed=seed)
        at: dict[str, int] = {}
        for step in range(limit):
            # The two round in another order, and small differences would grow.
            full.state = env.state
            action = policy(observation[None])[0]
            theirs = full.step(action)[-1]
            observation, _, terminated, _, info = env.step(action)
            for name, seen in (("default", info), ("full", theirs)):
                if seen["out_of_support"]:
                    at.setdefault(name, step)
            if terminated or info["diverged"] or len(at) == 2:
                break
        found.append((at.get("default"), at.get("full")))
    return found


def counts(episodes: Sequence[Cuts]) -> list[int]:
    """Count what the table shows of an agent's episodes."""
    both = [default == full for default, full in episodes if None not in (default, full)]
    return [
        sum(full is not None for _, full in episodes),
        sum(both),
        len(both) - sum(both),
        sum(default is None and full is not None for default, full in episodes),
        sum(default is not None and full is None for default, full in episodes),
    ]


def main(options: Options) -> None:
    """Train, run and print."""
    torch.set_num_threads(1)
    table = Table(
        *("task", "agent", "full check", "same step", "another step", "not at all"),
        "by default alone",
        title=f"cuts in {options.episodes} episodes",
    )
    for task in options.task:
        space = Simulation.load(task).task.action_space
        agents: dict[str, Policy] = {"random": random_policy(space)}
        if options.train:
            uncut = {"max_disagreement": None}
            agents["PPO"] = train_inside(task, options.train, 0)
            agents["PPO, never cut"] = train_inside(task, options.train, 0, env_kwargs=uncut)
        for name, policy in agents.items():
            table.add_row(task, name, *map(str, counts(cuts(task, policy, options.episodes))))
    Console(width=100).print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
