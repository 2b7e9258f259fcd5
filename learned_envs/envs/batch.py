"""Many episodes at one moment, and what their last step gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learned_envs.envs.step import Columns
from learned_envs.state import State, mapped

Merge = Callable[[Tensor, Tensor], Tensor]
"""From what is kept of each episode, (batch, ...), and what new episodes have, to what comes of
both."""


@dataclass(frozen=True)
class NewEpisodes:
    """Where episodes begin: their states, and (batch, n) observations of these."""

    state: State
    observation: Tensor


@dataclass(frozen=True)
class Supply:
    """New episodes, drawn many at a time: that costs little more than a few.

    Attributes:
        random: the state of torch's generator that the next are drawn from.
        drawn: those that were drawn last.
        taken: () int64, how many of them have begun.
    """

    random: Tensor
    drawn: NewEpisodes
    taken: Tensor

    def normal(self, like: Tensor) -> tuple[Supply, Tensor]:
        """Draw standard normal numbers, as many as in a tensor."""
        generator = torch.Generator(device=like.device)
        generator.set_state(self.random)
        drawn = torch.empty_like(like).normal_(generator=generator)
        return replace(self, random=generator.get_state()), drawn


@dataclass(frozen=True)
class EpisodeBatch:
    """All that episodes need to go on.

    Attributes:
        state: of the systems.
        observation: (batch, n) of that state.
        elapsed: (batch) int64, steps since the episodes began.
        ended: (batch) bool, which have ended and have not begun anew.
        supply: what new ones are drawn from.
    """

    state: State
    observation: Tensor
    elapsed: Tensor
    ended: Tensor
    supply: Supply

    def to(self, device: torch.device | str) -> EpisodeBatch:
        """Return the batch on another device; the source of randomness is on the CPU always."""
        moved = mapped(lambda tensor: tensor.to(device), self)
        supply = replace(moved.supply, random=self.supply.random, taken=self.supply.taken)
        return replace(moved, supply=supply)

    def restarted(self, new: NewEpisodes, supply: Supply, merge: Merge) -> EpisodeBatch:
        """Return the batch with new episodes in place of those that `merge` chooses."""
        kept, own = self.state, new.state
        memory = {name: merge(leaf, own.memory[name]) for name, leaf in kept.memory.items()}
        return replace(
            self,
            state=State(merge(kept.q, own.q), merge(kept.v, own.v), memory),
            observation=merge(self.observation, new.observation),
            elapsed=merge(self.elapsed, torch.zeros_like(self.elapsed[: len(own.q)])),
            supply=supply,
        )


@dataclass(frozen=True)
class EnvState:
    """Episodes, and what their last step gave: a tree of tensors, none of which is ever changed.

    Of an episode that began in the step, the observation is its first. What else stands here is of
    the step that ended the one before; if none did, reward and flags are 0, and the info is void.

    Attributes:
        episodes: all that is needed to go on.
        reward: (batch).
        terminated: (batch) bool, by the task's rules.
        truncated: (batch) bool, by the time limit, or because the model left its data.
        info: of the step, (batch) each.
        final_observation: (batch, n) that the step reached, before new episodes began.
        begun: (batch) bool, which episodes began in the step, or in the reset.
    """

    episodes: EpisodeBatch
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    info: Columns
    final_observation: Tensor
    begun: Tensor

    @property
    def observation(self) -> Tensor:
        """What agents see, (batch, n)."""
        return self.episodes.observation
