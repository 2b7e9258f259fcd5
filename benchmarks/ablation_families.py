"""Families that `ablation.py` tries and the package does not have: each changes second_order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from learned_envs import registry
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.second_order import SecondOrder, SecondOrderDynamics
from learned_envs.kinematics import Inertia
from learned_envs.systems.spec import SystemSpec

GATE = (32,)
"""Widths of the layers of a network that chooses between experts."""

NEAR = 0.05
"""Metres of height over which a contact point's force fades."""


@dataclass(frozen=True)
class Experts(SecondOrder):
    """A mixture of experts: last layers of their own, weighed by what is seen, contacts too."""

    experts: int = 4
    """How many there are."""

    def build(self, spec: SystemSpec, members: int | None = None) -> SecondOrderDynamics:
        """Make an untrained model of the system."""
        dynamics = super().build(spec, members)
        size, outputs = dynamics.features.size, 2 * spec.nv
        dynamics.network = Mixture(self, size, outputs, members)  # type: ignore[assignment]
        return dynamics


class Mixture(nn.Module):
    """The mean of several networks that share all layers but the last, weighed by another one."""

    def __init__(self, config: Experts, inputs: int, outputs: int, members: int | None) -> None:
        super().__init__()
        self.shape = (config.experts, outputs)
        every = config.experts * outputs
        self.networks = MLP(inputs, every, config.hidden, members, config.activation)
        self.gate = MLP(inputs, config.experts, GATE, members, config.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (*batch, inputs) to (*batch, outputs)."""
        weights = torch.softmax(self.gate(x), -1).unsqueeze(-2)
        mixed: Tensor = weights @ self.networks(x).unflatten(-1, self.shape)
        return mixed.squeeze(-2)


@dataclass(frozen=True)
class Noisy(SecondOrder):
    """Normal noise is added to what the network sees while it is trained."""

    noise: float = 0.01
    """Its spread; what is seen has a spread of one."""

    def build(self, spec: SystemSpec, members: int | None = None) -> SecondOrderDynamics:
        """Make an untrained model of the system."""
        dynamics = super().build(spec, members)
        dynamics.network = NoisyNetwork(  # type: ignore[assignment]
            dynamics.network, self.noise
        )
        return dynamics


class NoisyNetwork(nn.Module):
    """A network whose inputs are noisy in training."""

    def __init__(self, network: nn.Module, noise: float) -> None:
        super().__init__()
        self.network, self.noise = network, noise

    def forward(self, x: Tensor) -> Tensor:
        """Map (*batch, inputs) to (*batch, outputs)."""
        if self.training:
            x = x + self.noise * torch.randn_like(x)
        mapped: Tensor = self.network(x)
        return mapped


@dataclass(frozen=True)
class ContactForces(SecondOrder):
    """Contact forces, which the points' Jacobians and the MJCF's inertia turn into acceleration."""

    def build(self, spec: SystemSpec, members: int | None = None) -> ContactForcesDynamics:
        """Make an untrained model of the system."""
        return ContactForcesDynamics(self, spec, members)


class ContactForcesDynamics(SecondOrderDynamics):
    """dv/dt = a(q, v, u) + M^-1(q) sum of J_i^T(q) f_i(q, v, u), with learned a and f."""

    def __init__(self, config: ContactForces, spec: SystemSpec, members: int | None) -> None:
        super().__init__(config, spec, members)
        self.inertia = Inertia(spec).float()
        self.points = self.kinematics.contact_count
        self.weight = 9.81 * sum(body.mass or 0.0 for body in spec.bodies)
        outputs = 3 * self.points
        size = self.features.size
        self.forces = MLP(size, outputs, config.hidden, members, config.activation)

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rate of q and the acceleration; see `FieldDynamics.field`."""
        rotation = self.frames(q)
        seen = self.features(q, v, given, rotation)
        rate, acceleration = self.rates(v, rotation, seen)
        output = self.forces(seen).unflatten(-1, (-1, 3))
        q, v = q.expand(*rate.shape[:-1], -1), v.expand(*rate.shape[:-1], -1)
        # Forces along the axes that the networks see velocities along.
        moving = partial(self._moving, q, rotation)
        _, transposed, height = torch.func.vjp(moving, v, has_aux=True)  # type: ignore[misc]
        near = torch.exp(-height.clamp_min(0) / NEAR).unsqueeze(-1)
        (pushed,) = transposed(self.weight * near * output)
        mass, _ = self.inertia(q, torch.zeros_like(v))
        root = torch.linalg.cholesky(mass)
        return rate, acceleration + torch.cholesky_solve(pushed.unsqueeze(-1), root).squeeze(-1)

    def _moving(self, q: Tensor, rotation: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        height, _, velocity = self.kinematics.contacts(q, v)
        return self.frames.points(rotation, velocity, self.features.places), height


for _name, _family in (("experts", Experts), ("noisy", Noisy), ("contact_forces", ContactForces)):
    if _name not in registry.FAMILIES:
        registry.register_family(_name, _family)
