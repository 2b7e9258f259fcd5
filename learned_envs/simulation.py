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

from learned_envs import argument
from learned_envs.argument import count, flag, shown
from learned_envs.batches import BatchCheck, expect_leaves
from learned_envs.checkpoint import find_device, open_checkpoint
from learned_envs.dynamics import Dynamics, Ensemble
from learned_envs.entry_point import load
from learned_envs.errors import ParameterError
from learned_envs.outcome import Rollout, Step
from learned_envs.state import State
from learned_envs.stepping import BatchStep, Compile
from learned_envs.task_entry import RULES_OF
from learned_envs.tasks.task import Task, Transition

TensorPolicy = Callable[[Tensor], Tensor]
"""Observations (batch, n) to actions (batch, nu), on the simulation's device."""


@dataclass(frozen=True)
class Simulation:
    """Task x Dynamics. It keeps no state of its own; states are passed in and handed out.

    Attributes:
        task: what is asked.
        dynamics: how state moves.
        card: where the model comes from and how good it is.
        compile: whether steps are compiled; see `compiled`.
        readings: whether steps hand on what sensors read; see `with_readings`.
    """

    task: Task
    dynamics: Dynamics
    card: Mapping[str, Any] = field(default_factory=dict)
    compile: Compile = False
    readings: bool = False

    def __post_init__(self) -> None:
        """Check that the task and the model are of one system, and raise ParameterError if not."""
        argument.instance("task", self.task, Task)
        argument.instance("dynamics", self.dynamics, Dynamics)
        if self.task.spec is not self.dynamics.spec and self.task.spec != self.dynamics.spec:
            raise ParameterError(
                f"Got a task of {self.task.spec.reference_id} with a model of "
                f"{self.dynamics.spec.reference_id}, expected both to have one spec."
            )

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str | torch.device = "cpu",
        *,
        reference: str | None = None,
        **parameters: Any,
    ) -> Simulation:
        """Load shipped weights by task name, or those of a fit by path or from the hub.

        Args:
            checkpoint: "Hopper", "LearnedSim-Hopper-v0", a fit's folder, a file, "hf://user/name".
            device: where the simulation runs.
            reference: another environment of this system, whose rules are traced for it.
            parameters: the reference environment's constructor parameters.

        Raises:
            CheckpointError: if the weights cannot be read.
            UnknownNameError: if there is no such task.
            ArgumentTypeError: if a learned environment does not take one of the parameters.
            ParameterError: if one is out of range, or the reference has another system.
        """
        if not isinstance(checkpoint, (str, Path)):
            raise ParameterError(f"Got checkpoint={shown(checkpoint)}, expected a name or a path.")
        opened = open_checkpoint(checkpoint, device)
        own = opened.task.with_parameters
        task = load(RULES_OF)(reference, opened, parameters) if reference else own(parameters)
        return cls(task, opened.dynamics, opened.card.plain)

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

        Raises:
            ParameterError: if `batch` is no whole number that is at least 1, the generator is of
                another device, or the task's starts lack a leaf of the spec.
            ArgumentTypeError: if the generator is none.
        """
        batch = count("batch", batch)
        self.check.generator(generator)
        mean = flag("mean", mean)
        state = self.task.initial_state(batch, generator, self.dynamics.q_low.dtype)
        begun = self.dynamics.begin(state.to(self.device), generator, mean)
        expect_leaves(begun, self.task.spec.leaves, "a start of the task")
        return begun

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Step:
        """Advance a batch by one environment step.

        The model sees the action clamped to the actuators' range, the reward sees it raw, as in
        MuJoCo and Gymnasium.

        Args:
            state: q (*batch, nq), v (*batch, nv).
            action: (*batch, nu); any numbers, cast to the model's dtype as the state is.
            disagreement: whether to compute the members' disagreement.

        Raises:
            ArgumentTypeError: if the state is none.
            ShapeError: if something does not fit the system or the state, or the batch is empty.
            ActionError: if the action is not numeric or, on a CPU, not finite.
            ParameterError: likewise of the state; if it remembers a member that is not there; or
                if a model of one member is asked for disagreement.
        """
        disagreement = flag("disagreement", disagreement)
        if disagreement and self.members == 1:
            raise ParameterError(
                "Got disagreement=True for a model of one member, which cannot disagree with "
                "itself. Leave it out, or fit with --members 3."
            )
        state = self.check.state(state)
        action = self.check.action(action, state.q.shape[:-1])
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

        Raises:
            ParameterError: if the model has no networks.
        """
        reduced = self.dynamics.to_bfloat16()
        if not any(weight.dtype is torch.bfloat16 for weight in reduced.parameters()):
            raise ParameterError(
                "Got precision='bfloat16' for a model without networks, which it would not change. "
                "Leave it out."
            )
        return replace(self, dynamics=reduced)

    def with_member(self, member: int, judged: bool = False) -> Simulation:
        """Return the simulation with one member of its ensemble; see `Ensemble.with_member`.

        Raises:
            ParameterError: if there is no such member.
        """
        dynamics, member = self.dynamics, count("member", member, 0, self.members - 1)
        own = dynamics.with_member(member, judged) if isinstance(dynamics, Ensemble) else dynamics
        return replace(self, dynamics=own)

    def with_readings(self) -> Simulation:
        """Return the simulation whose steps have `readings` and `spreads`; see `Step`."""
        return replace(self, readings=True)

    @cached_property
    def steps(self) -> dict[bool, BatchStep]:
        """What takes a step, with disagreement and without; `step` checks its arguments before."""
        return {disagreement: self._batch_step(disagreement) for disagreement in (False, True)}

    @property
    def check(self) -> BatchCheck:
        """What checks the states and actions that users pass in."""
        spec, like = self.task.spec, self.dynamics.q_low
        return BatchCheck(spec.nq, spec.nv, spec.nu, self.members, like, spec.leaves)

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
        step = model.step_told if self.readings else model.step
        prediction = step(state, clamped, disagreement)
        inside = model.inside(prediction.state)
        transition = Transition(
            state,
            action,
            prediction.state.where(inside, state),
            prediction.displacement.where(inside[..., None], 0.0),
            {n: read.where(inside[..., None], 0.0) for n, read in prediction.readings.items()},
        )
        verdict = self.task.judge(transition)
        own = [name for name in verdict.leaves if name not in model.computes]
        leaves = {n: verdict.leaves[n].where(inside[..., None], state.memory[n]) for n in own}
        return Step(
            transition.next_state.remember(**leaves),
            verdict.observation,
            verdict.reward,
            verdict.terminated & inside,
            ~inside,
            prediction.disagreement,
            verdict.info,
            verdict.truncated,
            transition.readings if self.readings else {},
            prediction.spreads if self.readings else {},
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
            ShapeError: if the actions do not fit the states, or are fewer than the horizon.
            ParameterError: if a policy comes without a horizon, or the horizon is no whole number
                that is at least 1.
            ActionError, ArgumentTypeError: as for `step`.
        """
        state = self.check.state(state)
        batch = state.q.shape[:-1]
        if not callable(actions):
            actions = self.check.actions(actions, batch)
            longest = actions.shape[1]
            horizon = longest if horizon is None else count("horizon", horizon, most=longest)
        if horizon is None:
            raise ParameterError("A rollout with a policy needs a horizon: pass horizon=200, say.")
        horizon = count("horizon", horizon)
        observation = self.task.observation(state)
        states, steps = [state], list[Step]()
        for t in range(horizon):
            if isinstance(actions, Tensor):
                action = actions[:, t]
            else:
                action = self.check.action(actions(observation), batch)
            steps.append(self.steps[False](states[-1], action))
            observation = steps[-1].observation
            states.append(steps[-1].state)
        own = ("member", *self.dynamics.remembers)
        return Rollout.of([state.forget(*own) for state in states], steps)
