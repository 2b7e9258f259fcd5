"""Hamiltonian networks: motion that keeps a learned energy.

Greydanus, Dzamba and Yosinski, "Hamiltonian Neural Networks", NeurIPS 2019. The mechanical form,
with a learned inverse inertia and momenta p = M(q) v, is as in Zhong, Dey and Chakraborty,
"Symplectic ODE-Net", ICLR 2020. The model does not see the action: nothing drives such a system.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Family, Prediction, Substeps
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.integrator import GENERAL
from learned_envs.dynamics.mechanics import PositiveMatrix, Posture, apart, gradients
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Hamiltonian(Family):
    """A learned Hamiltonian, and nothing beside it."""

    mechanical: bool = True
    """Whether H = p^T M^-1(q) p / 2 + V(q). If not, it is any H(q, p)."""
    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "implicit_midpoint"
    """A key of `GENERAL` integrators."""

    def build(self, spec: SystemSpec, members: int | None = None) -> HamiltonianDynamics:
        """Make an untrained model of the system.

        Raises:
            UnknownNameError: if there is no such integrator.
        """
        return HamiltonianDynamics(self, spec, members)


class HamiltonianDynamics(FieldDynamics):
    """The vector field dq/dt = dH/dp, dp/dt = -dH/dq with learned H, and p = M(q) v.

    The inertia and H are learned in the frames of free bodies. The angular momentum of such a body
    is along its own axes, which turn: they add p x dH/dp to its rate.
    """

    speed: Tensor

    def __init__(self, config: Hamiltonian, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps, GENERAL)
        self.mechanical, self.members = config.mechanical, members
        self.posture = Posture(spec)
        self.mobility = PositiveMatrix(self.posture, spec.nv, config, members)
        inputs = self.posture.size + (0 if config.mechanical else spec.nv)
        self.energy = MLP(inputs, 1, config.hidden, members, config.activation, offset=False)
        self.change = OutputScaler(spec.nv)
        self.register_buffer("speed", torch.ones(spec.nv))

    def hamiltonian(self, q: Tensor, p: Tensor, given: Tensor) -> Tensor:
        """Return the energy, (*batch), up to a constant."""
        posture, p = self.posture(q, given), self.frames.enter(self.frames(q), p)
        if self.mechanical:
            speed = self.mobility.root(posture).mT @ p.unsqueeze(-1)
            potential: Tensor = self.energy(posture).squeeze(-1)
            return 0.5 * speed.square().sum((-2, -1)) + potential
        # The velocity that p would be at an inertia of one, in the unit of inertia.
        velocity = self.mobility.unit.square() * p
        inputs = torch.cat([posture, velocity / self.speed], -1)
        rest: Tensor = self.energy(inputs).squeeze(-1)
        return 0.5 * (p * velocity).sum(-1) + rest

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rates of q and p; what `FieldDynamics.field` calls v is the momentum."""
        by_q, by_p = gradients(lambda q, p: self.hamiltonian(q, p, given), q, v)
        force = -self.kinematics.gradient(q, by_q)
        if self.frames.rotates:
            force = force + self.frames.turning(v, by_p)
        return by_p, force

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step; see [`Dynamics.step`][learned_envs.dynamics.dynamics.Dynamics.step]."""
        state = apart(state, self.members)
        given = given_by(self.spec, state, action)
        enter, leave, before = self.frames.enter, self.frames.leave, self.frames(state.q)
        momentum = self.mobility.solve(self.posture(state.q, given), enter(before, state.v))
        ahead = super().step(replace(state, v=leave(before, momentum)), action)
        after, posture = self.frames(ahead.state.q), self.posture(ahead.state.q, given)
        speed = leave(after, self.mobility.times(posture, enter(after, ahead.state.v)))
        change = self.change.clamp(enter(before, speed - state.v))
        v = state.v + leave(before, change)
        return replace(ahead, state=replace(ahead.state, v=v))

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.posture.normalise(state.q, given_by(self.spec, state, action))
        self.change.normalise(self.frames.own(state.q, next_state.v - state.v))
        self.speed.copy_(self.frames.own(state.q, state.v).std(0).clamp_min(1e-8))
        self.mobility.unit.copy_((self.change.spread / self.spec.dt).sqrt())
