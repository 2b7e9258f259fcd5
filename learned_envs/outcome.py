"""What a step and a rollout of a simulation give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from learned_envs.state import State, stacked


@dataclass(frozen=True)
class Step:
    """What one step of a simulation gives, batched.

    Attributes:
        state: after the step; the last state inside the envelope if the step diverged.
        observation: of that state, (*batch, n).
        reward: (*batch).
        terminated: (*batch) bool, whether the task's rules end the episode.
        diverged: (*batch) bool, whether the model left the envelope of its data. Such an episode
            is to be truncated: ending early must not pay.
        disagreement: (*batch) if it was asked for.
        info: the reference's `info`, (*batch) each.
        truncated: (*batch) bool, whether the task cuts the episode; None if it never does.
        readings: what each sensor reads, (*batch, size) by its name; empty if nobody asked.
        spreads: how wrong each reading is expected to be, the root of its mean squared error,
            likewise; empty also for models of a time when they did not say it.
    """

    state: State
    observation: Tensor
    reward: Tensor
    terminated: Tensor
    diverged: Tensor
    disagreement: Tensor | None
    info: Mapping[str, Tensor]
    truncated: Tensor | None = None
    readings: Mapping[str, Tensor] = field(default_factory=dict)
    spreads: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollout:
    """A batch of rollouts.

    Attributes:
        states: q (batch, time + 1, nq) and v (batch, time + 1, nv), the first given.
        observations: (batch, time, n), each after its step.
        rewards: (batch, time).
        alive: (batch, time) bool, false for steps that follow an episode's end.
        terminated: (batch, time) bool, whether the task's rules end an episode with the step.
    """

    states: State
    observations: Tensor
    rewards: Tensor
    alive: Tensor
    terminated: Tensor

    @classmethod
    def of(cls, states: Sequence[State], steps: Sequence[Step]) -> Rollout:
        """Lay steps one behind the other.

        Args:
            states: one more than steps, each (batch).
            steps: what they gave.
        """
        terminated = torch.stack([step.terminated for step in steps], 1)
        ended = terminated | torch.stack([step.diverged for step in steps], 1)
        alive = ended.cumsum(1) - ended.long() == 0
        return cls(
            stacked(states, 1),
            torch.stack([step.observation for step in steps], 1),
            torch.stack([step.reward for step in steps], 1),
            alive,
            terminated & alive,
        )
