"""One step of the system of an environment: what it gives, and what cuts an episode short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learned_envs import registry
from learned_envs.card import Card
from learned_envs.envs.options import EnvOptions
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.stepping import Step

Columns = dict[str, Tensor]
"""What is known of each episode, (batch) each, by name."""

SIGNALS = ("reward", "terminated", "truncated")
"""What a step gives beside the observation and the info."""


@dataclass(frozen=True)
class EnvStep:
    """What one step of a batch of systems gives.

    Attributes:
        state: after the step.
        observation: of that state, (batch, n).
        reward: (batch), with the penalty for disagreement taken off.
        terminated: (batch) bool, by the task's rules.
        truncated: (batch) bool, if the model left its data or the task cuts the episode; time
            limits are not known here.
        info: (batch) each: the reference's keys, `diverged` and `out_of_support` as bool, and
            `disagreement` if it was computed. If asked for, what sensors read: numbers of arrays.
    """

    state: State
    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    info: Columns


@dataclass(frozen=True)
class StepFunction:
    """A step of an environment as a function of states and actions.

    Attributes:
        simulation: what the step takes place in.
        advance: a step of it.
        max_disagreement: the disagreement past which an episode is truncated; None for never.
        penalty: how many times the disagreement is taken off the reward.
        disagreement: whether the disagreement is computed.
        exact: whether the disagreement is wanted for more than to cut episodes.
    """

    simulation: Simulation
    advance: Step
    max_disagreement: float | None
    penalty: float
    disagreement: bool
    exact: bool = False

    @classmethod
    def of(cls, simulation: Simulation, options: EnvOptions) -> StepFunction:
        """Make the step that the options ask for."""
        limit, penalty = (
            options.threshold(Card.of(dict(simulation.card))),
            float(options.disagreement_penalty),
        )
        several = simulation.members > 1
        # A model of one member never disagrees, and is never cut.
        each = several and (options.disagreement_in_info or penalty > 0)
        needed = several and (each or limit is not None)
        return cls(simulation, simulation.steps[needed], limit, penalty, needed, each)

    def key(self, options: EnvOptions) -> Hashable:
        """Return what tells derived code from that of other environments.

        The card has the digest of the weights, which are never changed here.
        """
        simulation = self.simulation
        card = json.dumps(simulation.card, sort_keys=True, default=str)
        how = (options.device, options.compile, options.precision, options.ensemble)
        return (
            hashlib.sha256(card.encode()).hexdigest(),
            type(simulation.dynamics),
            registry.family_class(simulation.card["family"]),
            (type(simulation.task), repr(simulation.task.parameters)),
            tuple(map(str, how)),
            (self.max_disagreement, self.penalty, self.disagreement, self.exact),
            simulation.readings,
        )

    def __call__(self, state: State, action: Tensor) -> EnvStep:
        """Advance a batch by one step; the action is (batch, nu)."""
        step = self.advance(state, action)
        reward = step.reward
        info = {**step.info, "diverged": step.diverged}
        for ending, read in (("", step.readings), ("_spread", step.spreads)):
            info |= {
                f"{name}{ending}[{place}]": column
                for name, columns in read.items()
                for place, column in enumerate(columns.unbind(-1))
            }
        out_of_support = torch.zeros_like(step.diverged)
        disagreement = step.disagreement
        if disagreement is not None:
            if self.max_disagreement is not None:
                # Written so that a disagreement that is not a number counts as too much.
                out_of_support = ~(disagreement <= self.max_disagreement)
            disagreement = disagreement.where(disagreement.isfinite(), 0.0)
            info["disagreement"] = disagreement
            if self.penalty:
                reward = reward - self.penalty * disagreement
        info["out_of_support"] = out_of_support
        # A task may give views of the state, which goes on. In derived code this is nothing.
        info = {name: column.clone() for name, column in info.items()}
        truncated = step.diverged | out_of_support
        if step.truncated is not None:
            truncated = truncated | step.truncated
        reward, terminated = reward.clone(), step.terminated
        return EnvStep(step.state, step.observation, reward, terminated, truncated, info)

    @property
    def apart(self) -> bool:
        """Whether a member of the ensemble can step its states without the others."""
        return not (self.disagreement or self.simulation.dynamics.remembers)

    @property
    def judged(self) -> bool:
        """Whether one member steps its states, and the others only say how far from it they are."""
        free = not self.exact and not self.simulation.dynamics.remembers
        return self.disagreement and free

    def with_member(self, member: int) -> StepFunction:
        """Return the step of one member alone, of states whose `member` is 0.

        If the disagreement is computed it is that of all; see `Ensemble.with_member`.
        """
        own = self.simulation.with_member(member, self.disagreement)
        return replace(self, simulation=own, advance=own.steps[self.disagreement])

    def members(self) -> list[StepFunction]:
        """Return the steps of all members, each alone."""
        return [self.with_member(member) for member in range(self.simulation.members)]
