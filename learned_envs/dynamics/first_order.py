"""A neural ODE on the whole state: nothing says that the rate of position is velocity.

Chen, Rubanova, Bettencourt and Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Family, Substeps
from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.field import FieldDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.integrator import GENERAL
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class FirstOrder(Family):
    """The rates of position and of velocity, both from one network."""

    contact_geometry: bool = True
    """Show the network the heights and velocities of the contact points."""
    substeps: Substeps = 1
    """Integrator steps in one environment step."""
    integrator: Word = "midpoint"
    """A key of `GENERAL` integrators."""

    def build(self, spec: SystemSpec, members: int | None = None) -> FirstOrderDynamics:
        """Make an untrained model of the system; see `FieldDynamics` for what it raises."""
        return FirstOrderDynamics(self, spec, members)


class FirstOrderDynamics(FieldDynamics):
    """The vector field dq/dt = f(q, v, u), dv/dt = g(q, v, u) with learned f and g."""

    def __init__(self, config: FirstOrder, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec, config.integrator, config.substeps, GENERAL)
        self.features = Features(spec, self.kinematics, config.contact_geometry)
        self.rates = OutputScaler(2 * spec.nv)
        self.network = MLP(
            self.features.size, 2 * spec.nv, config.hidden, members, config.activation
        )

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        rotation = self.frames(q)
        rates = self.rates(self.network(self.features(q, v, given, rotation)))
        rate, acceleration = rates.split(self.spec.nv, -1)
        return self.frames.leave(rotation, rate), self.frames.leave(rotation, acceleration)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        self.rates.normalise(self.increments(state, next_state) / self.spec.dt)
