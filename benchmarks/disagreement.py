"""What is lost if the members' disagreement is measured once in every few steps?

    python benchmarks/disagreement.py                       # three tasks, five minutes
    python benchmarks/disagreement.py --task Hopper --every 2 4 8 16

Agents run inside without being cut, and the disagreement is measured at every step: a random one,
and PPO that was trained inside for a while, as it comes and without ever being cut, so that it may
exploit what the model has wrong. For each episode it is then computed where it would have been cut
with `disagreement_every=k`, from the same record. The table says, for each k, which share of the
episodes that every step cuts is cut too; how many steps later; and how much more return that
gives, as a share of an episode's return.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, registry
from learned_envs.card import Card
from learned_envs.transfer import Policy, random_policy, train_inside

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """Compare cuts of episodes."""

    task: tuple[str, ...] = ("Hopper", "Walker2d", "HalfCheetah")
    """Names of tasks with shipped weights."""
    every: tuple[int, ...] = (1, 2, 3, 4)
    """In how many steps the disagreement is measured once."""
    train: int = 300_000
    """Environment steps of each agent's training."""
    envs: int = 200
    """Episodes of each agent."""


@dataclass(frozen=True)
class Record:
    """Episodes that disagreement did not cut; (steps, episodes) each.

    Attributes:
        disagreement: of the members.
        reward: 0 past the end.
        alive: whether the episode had not ended before.
    """

    disagreement: Array
    reward: Array
    alive: NDArray[np.bool_]

    def cuts(self, every: int, limit: float) -> NDArray[np.int64]:
        """Return the step that each episode is cut at; the number of steps for never."""
        steps = len(self.alive)
        measured = (np.arange(steps) % every == 0)[:, None]
        over = (self.disagreement > limit) & measured & self.alive
        cuts: NDArray[np.int64] = np.where(over.any(0), over.argmax(0), steps)
        return cuts

    def returns(self, cuts: NDArray[np.int64]) -> Array:
        """Return the returns of episodes with cuts."""
        kept = np.arange(len(self.reward))[:, None] <= cuts
        total: Array = (self.reward * kept).sum(0)
        return total


def record(task: str, policy: Policy, envs: int) -> Record:
    """Run one episode of each environment to its end, never cut for disagreement."""
    rows: list[tuple[Array, Array, NDArray[np.bool_]]] = []
    made = gym.make_vec(
        registry.env_id(task), envs, max_disagreement=None, disagreement_in_info=True
    )
    with closing(made):
        observation, _ = made.reset(seed=0)
        alive = np.ones(envs, dtype=np.bool_)
        while alive.any():
            observation, reward, terminated, truncated, info = made.step(policy(observation))
            rows.append((info["disagreement"], np.where(alive, reward, 0.0), alive))
            alive = alive & ~(terminated | truncated)
    return Record(*map(np.array, zip(*rows, strict=True)))


def main(options: Options) -> None:
    """Train, run and print."""
    torch.set_num_threads(1)
    table = Table("task", "agent", "cut", "every", "cut too", "steps later", "return", title="cuts")
    for task in options.task:
        loaded = Simulation.load(task)
        limit = Card.of(dict(loaded.card)).disagreement_threshold
        assert isinstance(limit, float)
        space = loaded.task.action_space
        uncut = {"max_disagreement": None}
        agents: dict[str, Policy] = {
            "random": random_policy(space),
            "PPO": train_inside(task, options.train, 0),
            "PPO, never cut": train_inside(task, options.train, 0, env_kwargs=uncut),
        }
        for name, policy in agents.items():
            seen = record(task, policy, options.envs)
            full = seen.cuts(1, limit)
            cut = full < len(seen.alive)
            scale = abs(seen.returns(full).mean())
            for every in options.every:
                own = seen.cuts(every, limit)
                too = cut & (own < len(seen.alive))
                later = (own - full)[too]
                more = (seen.returns(own) - seen.returns(full)).mean() / scale
                table.add_row(
                    *(task, name, f"{cut.mean():.0%}", str(every)),
                    f"{too.sum() / max(cut.sum(), 1):.1%}",
                    f"{np.median(later):.0f}, at most {later.max()}" if len(later) else "",
                    f"{more:+.2%}",
                )
    Console(width=100).print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
