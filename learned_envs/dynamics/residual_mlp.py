"""The unstructured foil: a network predicts the change of the whole state.

This is the model of PETS (Chua et al., NeurIPS 2018) and MBPO (Janner et al., NeurIPS 2019),
made deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics.dynamics import Dynamics, Family, Prediction
from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class ResidualMLP(Family):
    """The change of position and velocity over one step, each from the network alone."""

    contact_geometry: bool = False
    """Show the network the heights and velocities of the contact points."""

    def build(self, spec: SystemSpec, members: int | None = None) -> ResidualMLPDynamics:
        """Make an untrained model of the system."""
        return ResidualMLPDynamics(self, spec, members)


class ResidualMLPDynamics(Dynamics):
    """q' = q + f(q, v, u), v' = v + g(q, v, u) with learned f and g."""

    def __init__(self, config: ResidualMLP, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec)
        self.config = config
        self.features = Features(spec, self.kinematics, config.contact_geometry)
        self.increment = OutputScaler(2 * spec.nv)
        self.network = MLP(
            self.features.size, 2 * spec.nv, config.hidden, members, config.activation
        )

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step; see [`Dynamics.step`][learned_envs.dynamics.dynamics.Dynamics.step]."""
        rotation, leave = self.frames(state.q), self.frames.leave
        given = given_by(self.spec, state, action)
        output = self.network(self.features(state.q, state.v, given, rotation))
        displacement, change = self.increment(output).split(self.spec.nv, -1)
        displacement, change = leave(rotation, displacement), leave(rotation, change)
        q = self.kinematics.advance(state.q, displacement)
        return Prediction(State(q, state.v + change, state.memory), displacement)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        self.increment.normalise(self.increments(state, next_state))
