"""A task and a model of motion make a simulation: batched, on any device, differentiable."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learned_envs import registry
from learned_envs.card import Card
from learned_envs.checkpoint import find_device, load_checkpoint
from learned_envs.dynamics import Dynamics, Ensemble
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.state import State, stacked
from learned_envs.stepping import BatchStep
from learned_envs.tasks.task import Task, Transition, total

TensorPolicy = Callable[[Tensor], Tensor]
"""Observations (batch, n) to actions (batch, nu), on the simulation's device."""


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
        disagreement: (*batch) if it was asked for and there is more than one member.
        transition: all that the reward saw, for `task.details`.
        reward_terms: the summands of the reward, (*batch) each.
    """

    state: State
    observation: Tensor
    reward: Tensor
    terminated: Tensor
    diverged: Tensor
    disagreement: Tensor | None
    transition: Transition
    reward_terms: Mapping[str, Tensor]


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


@dataclass(frozen=True)
class Simulation:
    """Task x Dynamics. It keeps no state of its own; states are passed in and handed out.

    Attributes:
        task: what is asked.
        dynamics: how state moves.
        card: where the model comes from and how good it is.
        compile: whether steps are compiled; see `compiled`.
    """

    task: Task
    dynamics: Dynamics
    card: Mapping[str, Any] = field(default_factory=dict)
    compile: bool = False

    @classmethod
    def load(
        cls, checkpoint: str | Path, device: str | torch.device = "cpu", **parameters: Any
    ) -> Simulation:
        """Load shipped weights by task name, or those of a fit by path.

        Args:
            checkpoint: "Hopper", "LearnedSim-Hopper-v0", a fit's folder or a weights file.
            device: where the simulation runs.
            parameters: the reference environment's constructor parameters.

        Raises:
            CheckpointError: if the weights cannot be read.
            UnknownNameError: if there is no such task.
            ParameterError: if a parameter is not one that a learned environment can take.
        """
        dynamics, card = load_checkpoint(checkpoint, device)
        task = registry.task_class(Card.of(card).task).create(dynamics.spec, parameters)
        return cls(task, dynamics, card)

    def __getstate__(self) -> dict[str, Any]:
        """Keep the weights and where they are; code that was derived is made anew."""
        kept = {own.name: getattr(self, own.name) for own in fields(self)}
        if self.device.type != "cpu":
            kept["dynamics"] = copy.deepcopy(self.dynamics).to("cpu")
        return {**kept, "device": str(self.device)}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Put the weights back.

        Raises:
            DeviceError: if this machine does not have the device.
        """
        device = find_device(kept.pop("device"))
        self.__dict__.update(kept)
        if device.type != "cpu":
            self.dynamics.to(device)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.dynamics.q_low.device

    @property
    def members(self) -> int:
        """How many models the ensemble has; 1 if there is none."""
        return self.dynamics.members if isinstance(self.dynamics, Ensemble) else 1

    def reset(
        self, batch: int, generator: torch.Generator | None = None, mean: bool = False
    ) -> State:
        """Draw the states that `batch` episodes start from.

        Args:
            batch: how many.
            generator: the source of randomness, on the simulation's device; torch's own if None.
            mean: step with the ensemble's mean instead of a random member an episode.
        """
        state = self.task.initial_state(batch, generator, self.dynamics.q_low.dtype)
        return self.dynamics.begin(state.to(self.device), generator, mean)

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Step:
        """Advance a batch by one environment step.

        The model sees the action clamped to the actuators' range, the reward sees it raw, as in
        MuJoCo and Gymnasium.

        Args:
            state: q (*batch, nq), v (*batch, nv).
            action: (*batch, nu).
            disagreement: whether to compute the members' disagreement.

        Raises:
            ShapeError: if the action does not fit the state.
        """
        spec = self.task.spec
        if action.shape != (*state.q.shape[:-1], spec.nu):
            raise ShapeError(
                f"Got actions of shape {tuple(action.shape)}, expected "
                f"{(*state.q.shape[:-1], spec.nu)}: one for each of the states."
            )
        step: Step = self.steps[disagreement](state, action)
        return step

    def compiled(self) -> Simulation:
        """Return the same simulation with its steps compiled.

        On a CPU they become native code of our own, which takes 1 to 4 s at the first step, is kept
        in the user's cache folder, and has copies of the weights; see `learned_envs.stepping` for
        what is stepped uncompiled all the same. On a GPU `torch.compile` makes the code. If that
        fails, for want of a C++ compiler, say, a warning says so and steps go on uncompiled.
        """
        return replace(self, compile=True)

    def to_bfloat16(self) -> Simulation:
        """Return the same simulation with its networks in bfloat16; all else stays float32.

        That pays if the processor has instructions for it, and only with `compiled`.
        `benchmarks/throughput.py` shows what it costs in accuracy.
        """
        return replace(self, dynamics=self.dynamics.to_bfloat16())

    def with_member(self, member: int) -> Simulation:
        """Return the simulation with one member of its ensemble; see `Ensemble.with_member`."""
        dynamics = self.dynamics
        own = dynamics.with_member(member) if isinstance(dynamics, Ensemble) else dynamics
        return replace(self, dynamics=own)

    @cached_property
    def steps(self) -> dict[bool, BatchStep]:
        """What takes a step, with disagreement and without; `step` checks its arguments before."""
        return {disagreement: self._batch_step(disagreement) for disagreement in (False, True)}

    def _batch_step(self, disagreement: bool) -> BatchStep:
        return BatchStep(
            partial(self._advance, disagreement=disagreement),
            compile=self.compile,
            copies=partial(self.dynamics.copies, disagreement=disagreement),
            apart=None if disagreement or self.dynamics.remembers else self._steps_apart,
        )

    def _steps_apart(self) -> list[Callable[[State, Tensor], Step]]:
        every = map(self.with_member, range(self.members))
        return [partial(one._advance, disagreement=False) for one in every]

    def _advance(self, state: State, action: Tensor, disagreement: bool) -> Step:
        """Step, and judge what the model predicts by the task's rules and the envelope."""
        model = self.dynamics
        clamped = action.clamp(model.control_low, model.control_high)
        prediction = model.step(state, clamped, disagreement)
        inside = model.inside(prediction.state)
        transition = Transition(
            state,
            action,
            prediction.state.where(inside, state),
            prediction.displacement.where(inside[..., None], 0.0),
            {n: read.where(inside[..., None], 0.0) for n, read in prediction.readings.items()},
        )
        reached = transition.next_state
        terms = self.task.reward_terms(transition)
        return Step(
            reached,
            self.task.observation(reached, transition.readings),
            total(terms),
            self.task.terminated(reached) & inside,
            ~inside,
            prediction.disagreement,
            transition,
            terms,
        )

    def rollout(
        self, state: State, actions: Tensor | TensorPolicy, horizon: int | None = None
    ) -> Rollout:
        """Step a batch many times.

        Args:
            state: where to start: q (batch, nq), v (batch, nv).
            actions: (batch, time, nu), or a policy from observations to actions.
            horizon: how many steps; needed with a policy, else the actions' own length.

        Raises:
            ShapeError: if the actions do not fit the states.
            ParameterError: if a policy comes without a horizon.
        """
        if isinstance(actions, Tensor):
            if actions.ndim != 3:
                raise ShapeError(
                    f"Got actions of shape {tuple(actions.shape)}, expected (batch, time, nu)."
                )
            horizon = actions.shape[1] if horizon is None else horizon
        if horizon is None:
            raise ParameterError("A rollout with a policy needs a horizon: pass horizon=200, say.")
        observation = self.task.observation(state)
        alive = torch.ones(state.q.shape[:-1], dtype=torch.bool, device=state.q.device)
        states, observations, rewards, living = [state], [], [], []
        for t in range(horizon):
            action = actions[:, t] if isinstance(actions, Tensor) else actions(observation)
            step = self.step(states[-1], action)
            observation = step.observation
            states.append(step.state)
            observations.append(observation)
            rewards.append(step.reward)
            living.append(alive)
            alive = alive & ~step.terminated & ~step.diverged
        return Rollout(
            stacked([s.forget("member", *self.dynamics.remembers) for s in states], 1),
            torch.stack(observations, 1),
            torch.stack(rewards, 1),
            torch.stack(living, 1),
        )
