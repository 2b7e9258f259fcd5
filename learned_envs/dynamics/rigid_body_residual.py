"""A learned rigid body, and correctors that mend its acceleration one after the other.

Hao et al., "Neural Motion Simulator: Pushing the Limit of World Models in Reinforcement Learning"
(MoSim), CVPR 2025. There the correctors are trained one after the other, here all together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from learned_envs.dynamics.dynamics import Family, Substeps
from learned_envs.dynamics.feature import LIMIT_TIMES, Features
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.mechanics import PositiveMatrix, Posture
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class RigidBodyResidual(Family):
    """Inverse inertia times bias and actuator force, then correctors."""

    contact_geometry: bool = True
    """Show the correctors the heights and velocities of the contact points."""
    joint_limits: bool = True
    """Show the correctors how far limited joints are from their limits, now and after a step."""
    correctors: Annotated[int, Meta(ge=0, le=64)] = 2
    """How many there are."""
    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "constant_acceleration"
    """A key of `INTEGRATORS`."""

    def build(self, spec: SystemSpec, members: int | None = None) -> RigidBodyResidualDynamics:
        """Make an untrained model of the system; see `Hamiltonian.build` for what it raises."""
        return RigidBodyResidualDynamics(self, spec, members)


class RigidBodyResidualDynamics(FieldDynamics):
    """dv/dt = M^-1(q) f(q, v, u) + r_1 + r_2 + ...; each r sees the sum of those before it."""

    def __init__(self, config: RigidBodyResidual, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps)
        nv = spec.nv
        self.posture = Posture(spec)
        self.mobility = PositiveMatrix(self.posture, nv, config, members)
        self.motion = Features(spec, self.kinematics, contact_geometry=False)
        self.force = MLP(self.motion.size, nv, config.hidden, members, config.activation)
        limit_times = LIMIT_TIMES if config.joint_limits else ()
        self.features = Features(spec, self.kinematics, config.contact_geometry, limit_times)
        self.correctors = nn.ModuleList(
            MLP(self.features.size + nv, 2 * nv, config.hidden, members, config.activation)
            for _ in range(config.correctors)
        )
        self.acceleration, self.correction = OutputScaler(nv), OutputScaler(nv)

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        rotation, leave = self.frames(q), self.frames.leave
        force = self.force(self.motion(q, v, given, rotation))
        # In units of the acceleration's spread, like the inertia.
        acceleration = self.mobility.times(self.posture(q, given), force)
        rate = torch.zeros_like(acceleration)
        # Members that share a state differ in their accelerations.
        features = self.features(q, v, given, rotation).expand(*acceleration.shape[:-1], -1)
        for corrector in self.correctors:
            added = corrector(torch.cat([features, acceleration], -1))
            acceleration = acceleration + added[..., : self.spec.nv]
            rate = rate + added[..., self.spec.nv :]
        rate, acceleration = self.correction(rate), self.acceleration(acceleration)
        return v + leave(rotation, rate), leave(rotation, acceleration)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        given = given_by(self.spec, state, action)
        self.posture.normalise(state.q, given)
        for features in (self.motion, self.features):
            features.normalise(state.q, state.v, given)
        change = (next_state.v - state.v) / self.spec.dt
        self.acceleration.normalise(self.frames.own(state.q, change))
        self.correction.normalise(self.slip(state, next_state))
