"""Soft inductive bias: a forced Hamiltonian beside a free path that is believed less.

Finzi, Benton and Wilson, "Residual Pathway Priors for Soft Equivariance Constraints", NeurIPS 2021.
As far as the Hamiltonian path explains the data, the free one stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.forced_hamiltonian import ForcedHamiltonian, ForcedHamiltonianDynamics
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.schema import NotNegative
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class ResidualPathway(ForcedHamiltonian):
    """A forced Hamiltonian, and a network that sees everything and adds to both rates."""

    contact_geometry: bool = True
    """Show the free path the heights and velocities of the contact points."""
    free_prior: NotNegative = 100.0
    """Weight decay of the free path, in multiples of that of the Hamiltonian path."""

    def build(self, spec: SystemSpec, members: int | None = None) -> ResidualPathwayDynamics:
        """Make an untrained model of the system; see `Hamiltonian.build` for what it raises."""
        return ResidualPathwayDynamics(self, spec, members)


class ResidualPathwayDynamics(ForcedHamiltonianDynamics):
    """The forced Hamiltonian's field plus a network of position, velocity and action."""

    def __init__(self, config: ResidualPathway, spec: SystemSpec, members: int | None) -> None:
        super().__init__(config, spec, members)
        self.free_prior = config.free_prior
        self.features = Features(spec, self.kinematics, config.contact_geometry)
        self.correction = OutputScaler(spec.nv)
        self.free = MLP(self.features.size, 2 * spec.nv, config.hidden, members, config.activation)

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rates of q and p; see `HamiltonianDynamics.field`."""
        rate, force = super().field(q, v, given)
        rotation, leave = self.frames(q), self.frames.leave
        added = self.free(self.features(q, rate, given, rotation))
        # The force needs no scale: a force of one makes an acceleration of the data's spread.
        correction = self.correction(added[..., self.spec.nv :])
        added = added[..., : self.spec.nv]
        return rate + leave(rotation, correction), force + leave(rotation, added)

    def priors(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Return every parameter with its factor of weight decay; see `Dynamics.priors`."""
        free = set(self.free.parameters())
        for parameter, prior in super().priors():
            yield parameter, self.free_prior if parameter in free else prior

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        self.correction.normalise(self.slip(state, next_state))
