"""Acceleration from a learned Lagrangian, with learned damping and control.

Lutter, Ritter and Peters, "Deep Lagrangian Networks", ICLR 2019, make kinetic energy of a positive
definite inertia. Cranmer et al., "Lagrangian Neural Networks", 2020, let it be any function.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Family, Prediction, Substeps
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.mechanics import (
    Forces,
    PositiveMatrix,
    Posture,
    apart,
    directional_derivative,
    gradients,
)
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Lagrangian(Family):
    """A learned inertia and potential, learned damping and a learned gain of the control."""

    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "constant_acceleration"
    """A key of `INTEGRATORS`."""

    def build(self, spec: SystemSpec, members: int | None = None) -> LagrangianDynamics:
        """Make an untrained model of the system.

        Raises:
            UnknownNameError: if there is no such integrator.
        """
        return LagrangianDynamics(self, spec, members)


class LagrangianDynamics(FieldDynamics):
    """The Euler-Lagrange equation of L = v^T M(q) v / 2 - V(q) with force -D(q) v + G(q) u.

    M, D and G are learned in the frames of free bodies. The angular momentum p of such a body is
    along its own axes, which turn: they add p x w to its rate, as in Euler and Poincare's equation.
    """

    def __init__(self, config: Lagrangian, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps)
        self.members = members
        self.posture = Posture(spec)
        self.inertia = PositiveMatrix(self.posture, spec.nv, config, members)
        self.potential = MLP(
            self.posture.size, 1, config.hidden, members, config.activation, offset=False
        )
        self.forces = Forces(self.posture, spec, config, members)
        self.acceleration = OutputScaler(spec.nv)

    def lagrangian(self, q: Tensor, v: Tensor, given: Tensor) -> Tensor:
        """Return kinetic less potential energy, (*batch)."""
        posture, v = self.posture(q, given), self.frames.enter(self.frames(q), v)
        scaled = self.inertia.root(posture).mT @ v.unsqueeze(-1)
        potential: Tensor = self.potential(posture).squeeze(-1)
        return 0.5 * scaled.square().sum((-2, -1)) - potential

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        by_q, momentum = gradients(lambda q, v: self.lagrangian(q, v, given), q, v)
        rotation, enter, leave = self.frames(q), self.frames.enter, self.frames.leave
        posture, force = self.posture(q, given), enter(rotation, self.kinematics.gradient(q, by_q))
        force = force + self.forces(posture, enter(rotation, v), given)
        if self.frames.rotates:
            force = force + self.frames.turning(momentum, v)

        def momentum_at(place: Tensor) -> Tensor:
            there = self.frames(place)
            own = self.inertia.times(self.posture(place, given), enter(there, v))
            return leave(there, own)

        # The momentum M(q) v also changes because M does.
        turning = directional_derivative(momentum_at, q, self.kinematics.rate(q, v))
        acceleration = self.inertia.solve(posture, force - enter(rotation, turning))
        return v, leave(rotation, self.acceleration.clamp(acceleration))

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step; see [`Dynamics.step`][learned_envs.dynamics.dynamics.Dynamics.step]."""
        return super().step(apart(state, self.members), action)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.posture.normalise(state.q, given_by(self.spec, state, action))
        change = (next_state.v - state.v) / self.spec.dt
        self.acceleration.normalise(self.frames.own(state.q, change))
        self.inertia.unit.copy_(self.acceleration.spread.rsqrt())
        self.forces.normalise(self.frames.own(state.q, state.v).std(0).clamp_min(1e-8))
