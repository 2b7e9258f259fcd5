"""A rigid body as the MJCF has it, moved by learned forces: for those who trust their MJCF."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Family, Substeps
from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.kinematics import Inertia
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class RigidBody(Family):
    """Known inertia and bias forces; contact, friction and actuators from a network."""

    contact_geometry: bool = True
    """Show the network the heights and velocities of the contact points."""
    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "constant_acceleration"
    """A key of `INTEGRATORS`."""

    def build(self, spec: SystemSpec, members: int | None = None) -> RigidBodyDynamics:
        """Make an untrained model of the system.

        Raises:
            ParameterError: if the spec has no masses, as in old checkpoints.
            UnknownNameError: if there is no such integrator.
        """
        return RigidBodyDynamics(self, spec, members)


class RigidBodyDynamics(FieldDynamics):
    """dv/dt = M^-1(q) (f(q, v, u) - c(q, v)) with learned f, and M and c from the MJCF."""

    def __init__(self, config: RigidBody, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps)
        self.inertia = Inertia(spec).float()
        self.features = Features(spec, self.kinematics, config.contact_geometry)
        self.force, self.acceleration = OutputScaler(spec.nv), OutputScaler(spec.nv)
        self.correction = OutputScaler(spec.nv)
        self.network = MLP(
            self.features.size, 2 * spec.nv, config.hidden, members, config.activation
        )

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        rotation, leave = self.frames(q), self.frames.leave
        output = self.network(self.features(q, v, given, rotation))
        # Broadcast: if members share a state, their outputs have one more axis.
        force = leave(rotation, self.force(output[..., : self.spec.nv]))
        acceleration = self.accelerate(q, v, force)
        rate = v + leave(rotation, self.correction(output[..., self.spec.nv :]))
        bounded = self.acceleration.clamp(self.frames.enter(rotation, acceleration))
        return rate, leave(rotation, bounded)

    def accelerate(self, q: Tensor, v: Tensor, force: Tensor) -> Tensor:
        """Return the acceleration by a generalised force: MuJoCo's forward dynamics.

        Args:
            q: (*batch, nq).
            v: (*batch, nv).
            force: (*batch, nv), all but gravity's and the bias that velocities make.
        """
        mass, bias = self.inertia(q, v)
        root = torch.linalg.cholesky(mass).expand(*force.shape, self.spec.nv)
        return torch.cholesky_solve((force - bias).unsqueeze(-1), root).squeeze(-1)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        acceleration = (next_state.v - state.v) / self.spec.dt
        self.acceleration.normalise(self.frames.own(state.q, acceleration))
        mass, bias = self.inertia(state.q, state.v)
        force = (mass @ acceleration.unsqueeze(-1)).squeeze(-1) + bias
        self.force.normalise(self.frames.own(state.q, force))
        self.correction.normalise(self.slip(state, next_state))
