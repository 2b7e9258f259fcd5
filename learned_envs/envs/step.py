"""One step of the system of an environment: what it gives, and what cuts an episode short."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learned_envs.card import Card
from learned_envs.envs.options import EnvOptions
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.stepping import Step

Columns = dict[str, Tensor]
"""What is known of each episode, (batch) each, by name."""

SPACING = ("until_measured", "disagreement")
"""Leaves of a state's memory; see `StepFunction.every`."""

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
        truncated: (batch) bool, if the model left its data; time limits are not known here.
        info: (batch) each: the reference's keys, `diverged` and `out_of_support` as bool, and
            `disagreement` if it was computed.
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
        every: at each how many steps of an episode. If it is more than 1, states remember
            `until_measured`, (batch, 1), how many steps there are until then, and `disagreement`,
            (batch, 1), what was measured last.
        exact: whether the disagreement is wanted for more than to cut episodes.
    """

    simulation: Simulation
    advance: Step
    max_disagreement: float | None
    penalty: float
    disagreement: bool
    every: int = 1
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
        # With the mean, or with memories of their own, all members step in any case.
        alike = options.ensemble == "mean" or bool(simulation.dynamics.remembers)
        single = not needed or each or alike
        every = 1 if single else options.disagreement_every
        return cls(simulation, simulation.steps[needed], limit, penalty, needed, every, each)

    def __call__(self, state: State, action: Tensor) -> EnvStep:
        """Advance a batch by one step; the action is (batch, nu)."""
        step = self.advance(state.forget(*SPACING), action)
        reward, reached = step.reward, step.state
        info = {
            **self.simulation.task.details(step.transition),
            **step.reward_terms,
            "diverged": step.diverged,
        }
        out_of_support = torch.zeros_like(step.diverged)
        disagreement = step.disagreement
        if disagreement is not None:
            if self.max_disagreement is not None:
                # Written so that a disagreement that is not a number counts as too much.
                out_of_support = ~(disagreement <= self.max_disagreement)
            disagreement = disagreement.where(disagreement.isfinite(), 0.0)
        if self.every > 1:
            left, held = (state.memory[name][..., 0] for name in SPACING)
            due = left < 1
            # Where all rows step alike, those that are not due are not looked at.
            out_of_support = out_of_support & due
            disagreement = held if disagreement is None else torch.where(due, disagreement, held)
            left = torch.where(due, self.every - 1.0, left - 1)
            spacing = (x[..., None] for x in (left, disagreement))
            reached = reached.remember(**dict(zip(SPACING, spacing, strict=True)))
        if disagreement is not None:
            info["disagreement"] = disagreement
            if self.penalty:
                reward = reward - self.penalty * disagreement
        info["out_of_support"] = out_of_support
        # A task may give views of the state, which goes on. In derived code this is nothing.
        info = {name: column.clone() for name, column in info.items()}
        truncated = step.diverged | out_of_support
        return EnvStep(reached, step.observation, reward.clone(), step.terminated, truncated, info)

    def begin(self, state: State) -> State:
        """Let states remember what they are to, at the start of an episode."""
        if self.every == 1:
            return state
        zeros = state.q.new_zeros((*state.q.shape[:-1], 1))
        return state.remember(**dict.fromkeys(SPACING, zeros))

    def without_disagreement(self) -> StepFunction:
        """Return the step of states at which the disagreement is not measured."""
        return replace(self, advance=self.simulation.steps[False], disagreement=False)

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
