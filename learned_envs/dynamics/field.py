"""Models that are vector fields, and their integration over an environment step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Dynamics, Prediction
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.integrator import INTEGRATORS, Adjoint, Integrator
from learned_envs.errors import ParameterError, UnknownNameError
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


class FieldDynamics(Dynamics):
    """A model of the rates of position and velocity. An integrator follows them over a step."""

    def __init__(
        self,
        spec: SystemSpec,
        integrator: str,
        substeps: int,
        integrators: Mapping[str, Integrator] = INTEGRATORS,
    ) -> None:
        """Remember how to integrate.

        Args:
            spec: the system.
            integrator: a key of `integrators`.
            substeps: integrator steps in one environment step.
            integrators: those that suit the field.

        Raises:
            UnknownNameError: if there is no such integrator, or it does not suit.
            ParameterError: if there is not at least one substep.
        """
        super().__init__(spec)
        if integrator not in integrators:
            raise UnknownNameError("integrator", integrator, integrators)
        if substeps < 1:
            raise ParameterError(f"substeps must be at least 1, got {substeps}.")
        self.substeps = substeps
        self.integrate = integrators[integrator]

    @abstractmethod
    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q, in its tangent space, and the acceleration, (*batch, nv) each.

        Args:
            q: (*batch, nq).
            v: (*batch, nv).
            given: (*batch, nu + n), held constant over the step: the action, and what is seen of
                the state's leaves; see [`given_by`][learned_envs.dynamics.given.given_by].
        """

    def slip(self, state: State, next_state: State) -> Tensor:
        """Return by how much positions moved faster than the mean velocity, along own axes.

        Args:
            state: q (n, nq) and v (n, nv).
            next_state: those after one step.

        Returns:
            (n, nv), by the second.
        """
        rate = self.kinematics.difference(state.q, next_state.q) / self.spec.dt
        return self.frames.own(state.q, rate - 0.5 * (state.v + next_state.v))

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step; see [`Dynamics.step`][learned_envs.dynamics.dynamics.Dynamics.step]."""
        given = given_by(self.spec, state, action)

        def field(q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            # Members that share a state at the first stage no longer do at a later one.
            return self.field(q, v, given.expand(*v.shape[:-1], -1))

        advance, h = self.kinematics.advance, self.spec.dt / self.substeps
        integrate = self.integrate
        if isinstance(integrate, Adjoint):
            integrate = partial(integrate, held=(given, *self.parameters()))
        q, v, displacement = state.q, state.v, torch.zeros_like(state.v)
        for _ in range(self.substeps):
            moved, change = integrate(field, advance, q, v, h)
            q, v, displacement = advance(q, moved), v + change, displacement + moved
        if self.frames.rotates and self.substeps > 1:
            whole = self.kinematics.difference(state.q, q)
            displacement = self.frames.overall(displacement, whole)
        return Prediction(State(q, v, state.memory), displacement)
