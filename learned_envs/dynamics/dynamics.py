"""What every model of motion promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from learned_envs.dynamics.frame import Frames
from learned_envs.kinematics import Kinematics
from learned_envs.schema import Word, check
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec

ENVELOPE = 3.0
"""A state has diverged if it is outside this many times the data's range."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one environment step.

    Attributes:
        state: after the step.
        displacement: (*batch, nv), the change of q in its tangent space.
        readings: what each sensor is predicted to read, (*batch, size) by its name.
        disagreement: (*batch), the spread of an ensemble's members about their mean, in units
            of the spread of a step's change over the data; None if it was not asked for.
        spreads: how wrong each sensor's readings are expected to be, the root of their mean
            squared error, (*batch, size) by its name; empty if it was not asked for, or if the
            model is of a time when heads did not say it.
    """

    state: State
    displacement: Tensor
    readings: Mapping[str, Tensor] = field(default_factory=dict)
    disagreement: Tensor | None = None
    spreads: Mapping[str, Tensor] = field(default_factory=dict)


Width = Annotated[int, Meta(ge=1, le=16_384)]
"""Of a layer."""

Hidden = Annotated[tuple[Width, ...], Meta(max_length=64)]
"""Widths of layers."""

Substeps = Annotated[int, Meta(ge=1, le=100)]
"""Integrator steps in one environment step."""


@dataclass(frozen=True)
class Family(ABC):
    """The configuration of a model family: its registry entry and what a card stores.

    A family is one file: a frozen dataclass of plain values that builds its model.
    """

    hidden: Hidden = (192, 192, 192)
    """Widths of the hidden layers of its networks."""
    activation: Word = "silu"
    """Either silu, which layer normalisation follows, or tanh, without it."""

    def __post_init__(self) -> None:
        """Check every option against its type and its bounds, which its annotation has.

        Raises:
            ParameterError: if one is of another type, or out of bounds.
        """
        check(self, type(self).__name__)

    @abstractmethod
    def build(self, spec: SystemSpec, members: int | None = None) -> Dynamics:
        """Make an untrained model of the system.

        Args:
            spec: the system.
            members: if given, every tensor that the model meets has a leading axis of this
                size, and each index along it is a model of its own.

        Examples:
            >>> from learned_envs import card, registry
            >>> spec = card.read_card("Hopper").spec
            >>> model = registry.family_class("second_order")(hidden=(8,)).build(spec)
            >>> start = State(torch.zeros(5, spec.nq), torch.zeros(5, spec.nv))
            >>> model.step(start, torch.zeros(5, spec.nu)).displacement.shape
            torch.Size([5, 6])
        """


class Dynamics(nn.Module, ABC):
    """A model of how a system moves in one environment step.

    Its normalisation constants are buffers, so a checkpoint of its weights has them too.

    Attributes:
        spec: the system.
        kinematics: the system's geometry.
        frames: of its free bodies.
        q_low, q_high, v_low, v_high: the envelope, (nq) and (nv): the range of the data, with
            velocities of free bodies in their own frames, widened to `ENVELOPE` times its size
            about its middle. A state outside has diverged.
        control_low, control_high: the actuators' range, (nu).
    """

    remembers: tuple[str, ...] = ()
    """Names of the leaves of a state's memory that are this model's own; it hands on the rest."""

    computes: tuple[str, ...] = ()
    """Names of the spec's leaves that this model's steps advance. Others are the task's to advance,
    and training takes them from the data."""

    control_low: Tensor
    control_high: Tensor
    q_low: Tensor
    q_high: Tensor
    v_low: Tensor
    v_high: Tensor

    def __init__(self, spec: SystemSpec) -> None:
        super().__init__()
        self.spec = spec
        self.kinematics = Kinematics(spec)
        self.frames = Frames(spec)
        for name, size in (("q", spec.nq), ("v", spec.nv)):
            self.register_buffer(f"{name}_low", torch.full((size,), -torch.inf))
            self.register_buffer(f"{name}_high", torch.full((size,), torch.inf))
        for name, bound in (("low", spec.control_low), ("high", spec.control_high)):
            self.register_buffer(f"control_{name}", torch.tensor(bound), persistent=False)

    def begin(
        self, state: State, generator: torch.Generator | None = None, mean: bool = False
    ) -> State:
        """Fill the memory that an episode starts with.

        Args:
            state: q (*batch, nq), v (*batch, nv).
            generator: the source of randomness; torch's own if None.
            mean: of an ensemble, assign no member: the episode steps with the mean of all.
        """
        return state

    def to_bfloat16(self) -> Dynamics:
        """Return a model of the same weights that computes in bfloat16 as far as it can."""
        return self

    def copies(self, state: State, disagreement: bool = False) -> int:
        """Return how many times a step computes the motion of each state."""
        return 1

    @abstractmethod
    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one environment step.

        Args:
            state: q (*batch, nq), v (*batch, nv), and the spec's leaves in its memory.
            action: (*batch, nu), within the actuators' range, held constant over the step.
            disagreement: whether to compute the disagreement.
        """

    def step_told(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step, and how wrong its readings may be, if the model knows; see `step`."""
        return self.step(state, action, disagreement)

    def priors(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Return every parameter, and by how much more than others it is held near zero.

        Training multiplies the parameter's weight decay by this factor.
        """
        for parameter in self.parameters():
            yield parameter, 1.0

    def increments(self, state: State, next_state: State) -> Tensor:
        """Return how far states moved and how their velocities changed, along own axes.

        Args:
            state: q (n, nq) and v (n, nv).
            next_state: those after one step.

        Returns:
            (n, 2 nv).
        """
        rotation = self.frames(state.q)
        moved = self.kinematics.difference(state.q, next_state.q)
        parts = (moved, next_state.v - state.v)
        return torch.cat([self.frames.enter(rotation, part) for part in parts], -1)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from one-step transitions of the data, (n, .) each."""
        endless = list(self.spec.endless)
        v = self.frames.own(state.q, state.v)
        for name, values in (("q", state.q), ("v", v)):
            low, high = values.amin(0), values.amax(0)
            slack = (ENVELOPE - 1) / 2 * (high - low)
            low, high = low - slack, high + slack
            if name == "q":
                low[endless], high[endless] = -torch.inf, torch.inf
            self.get_buffer(f"{name}_low").copy_(low)
            self.get_buffer(f"{name}_high").copy_(high)

    def inside(self, state: State) -> Tensor:
        """Return which states are finite and inside the envelope, (*batch).

        Cyclic coordinates, orientations and angles without limits only have to be finite.
        """
        v = self.frames.own(state.q, state.v)
        value = torch.cat([state.q, v], -1)
        low = torch.cat([self.q_low, self.v_low])
        high = torch.cat([self.q_high, self.v_high])
        # Written so that NaN is outside, and an infinite coordinate too.
        middle = torch.where(low.isfinite(), (low + high) / 2, 0.0)
        reach = ((high - low) / 2).clamp(max=torch.finfo(value.dtype).max)
        return ((value - middle).abs() <= reach).all(-1)
