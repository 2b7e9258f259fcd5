"""A task and a model of motion make a simulation: batched, on any device, differentiable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learned_envs import catalogue
from learned_envs.checkpoint import load_checkpoint
from learned_envs.compilation import compiled
from learned_envs.dynamics.dynamics import Dynamics, Groups
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.state import State
from learned_envs.tasks.task import Task, Transition, total

CACHED_ROWS = 6144
"""States, counted once for each member that steps them, that a CPU steps at once: more would leave
its cache."""

COMPILED_ROWS = 16384
"""The same where steps are compiled."""

Policy = Callable[[Tensor], Tensor]
"""Observations (batch, n) to actions (batch, nu), on the simulation's device."""


@dataclass(frozen=True)
class Step:
    """What one step of a simulation gives, batched.

    Attributes:
        state: after the step; the last state inside the envelope where the step diverged.
        observation: of that state, (*batch, n).
        reward: (*batch).
        terminated: (*batch) bool, whether the task's rules end the episode.
        diverged: (*batch) bool, whether the model left the envelope of its data. Such an episode
            is to be truncated: ending early must not pay.
        disagreement: (*batch) where it was asked for and there is more than one member.
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
class Trajectory:
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
        cls, source: str | Path, device: str | torch.device = "cpu", **parameters: Any
    ) -> Simulation:
        """Load shipped weights by task name, or those of a fit by path.

        Args:
            source: "Hopper", "LearnedSim-Hopper-v0", a fit's folder or a weights file.
            device: where the simulation runs.
            parameters: the reference environment's constructor parameters.

        Raises:
            CheckpointError: where the weights cannot be read.
            UnknownNameError: where there is no such task.
            ParameterError: where a parameter is not one that a learned environment can take.
        """
        dynamics, card = load_checkpoint(source, device)
        task = catalogue.task_class(card["task"]).create(dynamics.spec, parameters)
        return cls(task, dynamics, card)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.dynamics.q_low.device

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
        state = state.to(self.device)
        return state if mean else self.dynamics.begin(state, generator)

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Step:
        """Advance a batch by one environment step.

        The model sees the action clamped to the actuators' range, the reward sees it raw, as in
        MuJoCo and Gymnasium.

        Args:
            state: q (*batch, nq), v (*batch, nv).
            action: (*batch, nu).
            disagreement: whether to compute the members' disagreement.

        Raises:
            ShapeError: where the action does not fit the state.
        """
        spec = self.task.spec
        if action.shape != (*state.q.shape[:-1], spec.nu):
            raise ShapeError(
                f"Got actions of shape {tuple(action.shape)}, expected "
                f"{(*state.q.shape[:-1], spec.nu)}: one for each of the states."
            )
        rows = COMPILED_ROWS if self.compile else CACHED_ROWS
        count = rows // self.dynamics.copies(state, disagreement)
        if action.ndim != 2 or len(action) <= count or action.is_cuda or torch.is_grad_enabled():
            return self._step_piece(state, action, disagreement)
        cuts = [slice(start, start + count) for start in range(0, len(action), count)]
        pieces = [self._step_piece(state[cut], action[cut], disagreement) for cut in cuts]
        joined: Step = _join(pieces)
        return joined

    def compiled(self) -> Simulation:
        """Return the same simulation with its steps compiled by `torch.compile`.

        The first step takes 5 to 40 s; where it fails, for want of a C++ compiler, say, a warning
        says so and steps go on uncompiled.
        """
        return replace(self, compile=True)

    def reduced(self) -> Simulation:
        """Return the same simulation with its networks in bfloat16; all else stays float32.

        That pays where the processor has instructions for it, and only with `compiled`, which is
        to come after. `benchmarks/throughput.py` shows what it costs in accuracy.
        """
        return replace(self, dynamics=self.dynamics.reduced())

    def _step_piece(self, state: State, action: Tensor, disagreement: bool) -> Step:
        groups = None if disagreement else self.dynamics.group(state)
        return self._advance(state, action, disagreement, groups)

    @cached_property
    def _advance(self) -> Callable[[State, Tensor, bool, Groups | None], Step]:
        if not self.compile:
            return self._advance_eagerly
        return compiled(self._advance_eagerly, fullgraph=True, dynamic=True)

    def _advance_eagerly(
        self, state: State, action: Tensor, disagreement: bool, groups: Groups | None
    ) -> Step:
        """Step, and judge what the model predicts by the task's rules and the envelope."""
        model = self.dynamics
        clamped = action.clamp(model.control_low, model.control_high)
        if groups is None:
            prediction = model.step(state, clamped, disagreement)
        else:
            prediction = model.step_grouped(state, clamped, groups)
        inside, sensors = model.inside(prediction.state), prediction.sensors
        transition = Transition(
            state,
            action,
            prediction.state.where(inside, state),
            prediction.displacement.where(inside[..., None], 0.0),
            None if sensors is None else sensors.where(inside[..., None], 0.0),
        )
        reached = transition.next_state
        terms = self.task.reward_terms(transition)
        return Step(
            reached,
            self.task.observation(reached, transition.sensors),
            total(terms),
            self.task.terminated(reached) & inside,
            ~inside,
            prediction.disagreement,
            transition,
            terms,
        )

    def rollout(
        self, state: State, actions: Tensor | Policy, horizon: int | None = None
    ) -> Trajectory:
        """Step a batch many times.

        Args:
            state: where to start: q (batch, nq), v (batch, nv).
            actions: (batch, time, nu), or a policy from observations to actions.
            horizon: how many steps; needed with a policy, else the actions' own length.

        Raises:
            ShapeError: where the actions do not fit the states.
            ParameterError: where a policy comes without a horizon.
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
        return Trajectory(
            State(torch.stack([s.q for s in states], 1), torch.stack([s.v for s in states], 1)),
            torch.stack(observations, 1),
            torch.stack(rewards, 1),
            torch.stack(living, 1),
        )


def _join(parts: Sequence[Any]) -> Any:
    """Concatenate tensors along the batch, or those that mappings and dataclasses hold."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Mapping):
        return {name: _join([part[name] for part in parts]) for name in first}
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        joined = {name: _join([getattr(part, name) for part in parts]) for name in names}
        return replace(first, **joined)
    return first
