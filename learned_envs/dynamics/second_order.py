"""The default family: a network predicts acceleration, and position is integrated.

Gruver, Finzi, Stanton and Wilson, "Deconstructing the Inductive Biases of Hamiltonian Neural
Networks", ICLR 2022, find that this structure is what makes Hamiltonian networks generalise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Family, Substeps
from learned_envs.dynamics.feature import LIMIT_TIMES, Features
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class SecondOrder(Family):
    """Acceleration from a network; velocity and position by an integrator."""

    contact_geometry: bool = True
    """Show the network the heights and velocities of the contact points."""
    joint_limits: bool = True
    """Show the network how far limited joints are from their limits, now and after a step."""
    position_correction: bool = True
    """Let the network correct the rate of position, because contact changes the acceleration
    faster than the integrator follows."""
    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "constant_acceleration"
    """A key of `INTEGRATORS`."""

    def build(self, spec: SystemSpec, members: int | None = None) -> SecondOrderDynamics:
        """Make an untrained model of the system; see `FieldDynamics` for what it raises."""
        return SecondOrderDynamics(self, spec, members)


class SecondOrderDynamics(FieldDynamics):
    """The vector field dq/dt = v + c(q, v, u), dv/dt = a(q, v, u) with learned a and small c."""

    def __init__(self, config: SecondOrder, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps)
        self.config = config
        limit_times = LIMIT_TIMES if config.joint_limits else ()
        self.features = Features(spec, self.kinematics, config.contact_geometry, limit_times)
        self.acceleration = OutputScaler(spec.nv)
        self.correction = OutputScaler(spec.nv) if config.position_correction else None
        outputs = spec.nv * (2 if config.position_correction else 1)
        self.network = MLP(self.features.size, outputs, config.hidden, members, config.activation)

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        rotation = self.frames(q)
        return self.rates(v, rotation, self.features(q, v, given, rotation))

    def rates(self, v: Tensor, rotation: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `field` does, from the frames at q and from what the network sees."""
        output, leave = self.network(seen), self.frames.leave
        acceleration = leave(rotation, self.acceleration(output[..., : self.spec.nv]))
        if self.correction is None:
            return v, acceleration
        correction = self.correction(output[..., self.spec.nv :])
        return v + leave(rotation, correction), acceleration

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        change = (next_state.v - state.v) / self.spec.dt
        self.acceleration.normalise(self.frames.own(state.q, change))
        if self.correction is not None:
            self.correction.normalise(self.slip(state, next_state))
