"""What a step and a rollout of a simulation give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from learned_envs.state import State


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
    """

    state: State
    observation: Tensor
    reward: Tensor
    terminated: Tensor
    diverged: Tensor
    disagreement: Tensor | None
    info: Mapping[str, Tensor]
    truncated: Tensor | None = None


@dataclass(frozen=True)
class Rollout:
    """A batch of rollouts.

    Attributes:
        states: q (batch, time + 1, nq) and v (batch, time + 1, nv), the first given.
        observations: (batch, time, n), each after its step.
        rewards: (batch, time).
        alive: (batch, time) bool, false for steps that follow an episode's end.
    """

    states: State
    observations: Tensor
    rewards: Tensor
    alive: Tensor
