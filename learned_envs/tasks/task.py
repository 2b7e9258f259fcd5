"""What is asked of a system: how episodes start, what is seen, what is paid, when they end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, reduce
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from learned_envs import argument
from learned_envs.defaults import usual_defaults
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec

NOT_NEGATIVE = ("reset_noise_scale",)
"""Parameters of tasks that are sizes."""

Readings = Mapping[str, Tensor]
"""What sensors read, (*batch, size) each, by the sensor's name."""


@dataclass(frozen=True)
class Transition:
    """One environment step of a batch, as rewards see it.

    Attributes:
        state: before the step.
        action: (*batch, nu), as the agent gave it, not clamped.
        next_state: after the step.
        displacement: (*batch, nv), the change of q in its tangent space. Rewards read motion
            from here: the difference of two float32 absolute positions is too coarse.
        readings: what each of the task's sensors reads after the step.
    """

    state: State
    action: Tensor
    next_state: State
    displacement: Tensor
    readings: Readings = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What a task says of one environment step of a batch.

    Attributes:
        observation: of the state that the step reached, (*batch, n).
        reward: (*batch).
        terminated: (*batch) bool, whether the episode ends there.
        info: the reference's `info`, (*batch) each.
        leaves: the state's leaves that the task computes, after the step, (*batch, size) each.
        truncated: (*batch) bool, whether the reference cuts the episode; None if it never does.
    """

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    info: Mapping[str, Tensor]
    leaves: Mapping[str, Tensor] = field(default_factory=dict)
    truncated: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A stateless description of an episode, equal to the reference environment's.

    A subclass is one file. Its fields are the reference environment's constructor parameters,
    under the same names. All methods are batched over leading dimensions, and run on the device
    and in the dtype of their arguments.

    Attributes:
        sensors: what observations, rewards or infos need of MuJoCo's solver, because q and v do
            not determine it. Models learn to predict the readings.
        frozen: indices of v that stay zero. q does not change there: it holds a constant of the
            episode, such as a goal.
        spec: the system.
    """

    spec: SystemSpec

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """The task's sensors."""
        return ()

    @property
    def sensed(self) -> tuple[int, ...]:
        """Columns of the observation that depend on what sensors read."""
        return tuple(column for sensor in self.sensors for column in sensor.columns)

    @property
    def frozen(self) -> tuple[int, ...]:
        """The indices of v that stay zero."""
        return ()

    def with_parameters(self, parameters: Mapping[str, Any]) -> Task:
        """Return the task with other constructor parameters of the reference environment.

        Raises:
            ArgumentTypeError, ParameterError: as for `create`.
        """
        return type(self).create(self.spec, parameters) if parameters else self

    @classmethod
    def create(cls, spec: SystemSpec, parameters: Mapping[str, Any]) -> Task:
        """Build the task with the reference environment's constructor parameters.

        Raises:
            ArgumentTypeError: if a learned environment does not take one of the parameters.
            ParameterError: if one is not of the kind of its default: a flag, a finite number, or
                a range of two numbers.

        Examples:
            >>> from learned_envs import card, registry
            >>> spec = card.read_card("Hopper").spec
            >>> task = registry.task_class("Hopper").create(spec, {"healthy_reward": 2.0})
            >>> task.observation_space.shape, task.parameters["healthy_reward"]
            ((11,), 2.0)
        """
        known = {own.name for own in fields(cls)} - {"spec"}
        unknown = [name for name in parameters if name not in known]
        if unknown:
            raise argument.unexpected(
                cls.__name__,
                unknown,
                sorted(known),
                " A parameter that changes the physics, such as xml_file or frame_skip, needs a "
                "model fitted to it.",
            )
        kinds = {own.name: own.default for own in fields(cls)}
        checked = {name: _checked(name, x, kinds[name]) for name, x in parameters.items()}
        return cls(spec=spec, **checked)

    @property
    def reference_id(self) -> str:
        """The Gymnasium id of the real environment."""
        return self.spec.reference_id

    @property
    def parameters(self) -> dict[str, Any]:
        """The reference environment's constructor parameters, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "spec"}

    @cached_property
    def action_space(self) -> Box:
        """The reference environment's action space."""
        low = np.array(self.spec.control_low, dtype=np.float32)
        high = np.array(self.spec.control_high, dtype=np.float32)
        return Box(low=low, high=high, dtype=np.float32)

    @cached_property
    def observation_space(self) -> Box:
        """The reference environment's observation space."""
        with usual_defaults():
            origin = State(torch.zeros(self.spec.nq), torch.zeros(self.spec.nv))
            shape = tuple(self.observation(origin).shape)
        return Box(low=-np.inf, high=np.inf, shape=shape, dtype=np.float64)

    @abstractmethod
    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw the states that episodes start from, as the reference's `reset_model` does.

        The device is the generator's, or the CPU.
        """

    @abstractmethod
    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return what an agent sees of `state`, (*batch, observation size).

        Args:
            state: q (*batch, nq), v (*batch, nv).
            readings: what the sensors read; None at a start, when nothing has acted on them yet.
        """

    @abstractmethod
    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the summands of the reward, (*batch) each, named as in the reference's info."""

    def reward(self, transition: Transition) -> Tensor:
        """Return the reward of one step, (*batch)."""
        return total(self.reward_terms(transition))

    @abstractmethod
    def terminated(self, state: State) -> Tensor:
        """Return whether `state` ends the episode, (*batch) bool."""

    def judge(self, transition: Transition) -> Verdict:
        """Return what the task says of a step: what is seen after it, paid for it and ended."""
        reached, terms = transition.next_state, self.reward_terms(transition)
        return Verdict(
            self.observation(reached, transition.readings),
            total(terms),
            self.terminated(reached),
            {**self.details(transition), **terms},
        )

    def details(self, transition: Transition) -> dict[str, Tensor]:
        """Return what the reference's `info` of a step holds beside the reward's terms."""
        return {}

    def info(self, transition: Transition) -> dict[str, Tensor]:
        """Return the reference's `info` of a step, (*batch) each."""
        return {**self.details(transition), **self.reward_terms(transition)}

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the reference's `info` of a reset, (*batch) each."""
        return {}


def never(state: State) -> Tensor:
    """Return false for every state, (*batch) bool: nothing ends an episode."""
    return torch.zeros_like(state.q[..., 0], dtype=torch.bool)


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of a reward's terms, at least one."""
    first, *rest = terms.values()
    return reduce(torch.add, rest, first)


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """Return numbers as a tensor of the type and on the device of another; a GPU is not waited for.

    It is not for what is recorded as a CUDA graph.
    """
    return torch.tensor(values, dtype=like.dtype, device="cpu").to(like.device, non_blocking=True)


def within(values: Tensor, low: Sequence[float], high: Sequence[float]) -> Tensor:
    """Return whether all of `values` (*batch, n) lie strictly between their bounds, (*batch)."""
    if values.device.type == "cpu":
        # All at once, because one by one they cost more than the rest of a task. A compiler would
        # set what new_tensor makes one by one.
        like: Any = {"dtype": values.dtype, "device": values.device}
        least, most = (torch.tensor(bounds, **like) for bounds in (low, high))
        return ((least < values) & (values < most)).all(-1)
    return within_numbers(values, low, high)


def within_numbers(values: Tensor, low: Sequence[float], high: Sequence[float]) -> Tensor:
    """Return what `within` returns; bounds that are alike side by side are compared at once.

    A GPU would be waited for until it had a tensor of the bounds, and its copy could be no part of
    a CUDA graph. Numbers go with the launches.
    """
    bounds = list(zip(low, high, strict=True))
    inside, start = torch.ones_like(values[..., 0], dtype=torch.bool), 0
    for end, (least, most) in enumerate(bounds, 1):
        if end < len(bounds) and bounds[end] == bounds[start]:
            continue
        part = values[..., start:end]
        inside, start = inside & ((part > least) & (part < most)).all(-1), end
    return inside


def _checked(name: str, value: Any, default: object) -> Any:
    """Return a parameter as what its default is; a task may have others, which it checks itself."""
    if isinstance(default, bool):
        return argument.flag(name, value)
    if isinstance(default, (int, float)):
        return argument.number(name, value, 0 if name in NOT_NEGATIVE else -math.inf)
    if isinstance(default, tuple) and len(default) == 2:
        return argument.interval(name, value)
    return value
