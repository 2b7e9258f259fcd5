"""Model families that the ablations compare and the package does not have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_envs.dynamics.dynamics import Dynamics, Family, Prediction
from learned_envs.dynamics.feature import CONTACT_SCALES, Features
from learned_envs.dynamics.increment import Increment
from learned_envs.dynamics.integrator import constant_acceleration
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.second_order import SecondOrder, SecondOrderDynamics
from learned_envs.state import State, SystemSpec

LEAST_MOBILITY = 1e-3
"""What is added to the inverse inertia's diagonal, in units of the accelerations' spread."""


class PlainMLP(nn.Module):
    """The layers of an `MLP` with no normalisation between them."""

    def __init__(self, network: MLP) -> None:
        super().__init__()
        self.layers = network.layers

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs as `MLP` does."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.silu(layer(x))
        output: Tensor = last(x)
        return output


@dataclass(frozen=True)
class Unnormalised(SecondOrder):
    """The default family without layer normalisation."""

    def build(self, spec: SystemSpec, members: int | None = None) -> SecondOrderDynamics:
        """Make an untrained model of the system."""
        model = super().build(spec, members)
        model.network = PlainMLP(model.network)
        return model


@dataclass(frozen=True)
class History(SecondOrder):
    """The default family, shown the step before too.

    What is remembered enters as further actions, which the family's parts take as they are;
    `ablation_training.Remembering` puts it there.
    """

    def build(self, spec: SystemSpec, members: int | None = None) -> SecondOrderDynamics:
        """Make an untrained model of the system."""
        past = (torch.inf,) * past_size(spec)
        low = spec.control_low + tuple(-bound for bound in past)
        return super().build(
            replace(spec, control_low=low, control_high=spec.control_high + past), members
        )


def past_size(spec: SystemSpec) -> int:
    """Return the size of what is remembered: a step's displacement, change of v and action."""
    return 2 * spec.nv + spec.nu


@dataclass(frozen=True)
class Structured(Family):
    """Newton's law: inverse inertia times (forces + contact forces through the Jacobian)."""

    hidden: tuple[int, ...] = (192, 192, 192)
    """Widths of the networks of forces and of contact forces."""
    inertia_hidden: tuple[int, ...] = (64, 64)
    """Widths of the network of inverse inertia."""

    def build(self, spec: SystemSpec, members: int | None = None) -> StructuredDynamics:
        """Make an untrained model of the system."""
        return StructuredDynamics(self, spec, members)


class StructuredDynamics(Dynamics):
    """dv/dt = (L L^T)(q) (f(q, v, u) + J(q)^T c(q, v, u)) with learned L, f and c.

    Accelerations, and with them the inertia, are in units of their spread over the data. Only
    the contact forces c, and the correction of the rate of position, see the contact geometry,
    and c fades where a point neither touches the ground nor is about to.
    """

    def __init__(self, config: Structured, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec)
        self.config = config
        nv, contacts = spec.nv, self.kinematics.contact_count
        self.posture = Features(spec, self.kinematics, contact_geometry=False)
        self.flight = Features(spec, self.kinematics, contact_geometry=False)
        self.touch = Features(spec, self.kinematics, contact_geometry=True)
        self.acceleration, self.correction = Increment(nv), Increment(nv)
        triangle = nv * (nv + 1) // 2
        self.inertia = MLP(self.posture.size, triangle, config.inertia_hidden, members)
        self.force = MLP(self.flight.size, nv, config.hidden, members)
        self.contact = MLP(self.touch.size, nv + 3 * contacts, config.hidden, members)
        self.register_buffer("triangle", torch.tril_indices(nv, nv), persistent=False)

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one environment step; see `Dynamics.step`."""

        def field(q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            touch = self.contact(self.touch(q, v, action))
            force = self.force(self.flight(q, v, action))
            force = force + self._contact_force(q, v, touch[..., self.spec.nv :])
            acceleration = self.acceleration(self._accelerate(q, force))
            return v + self.correction(touch[..., : self.spec.nv]), acceleration

        advance, q, v = self.kinematics.advance, state.q, state.v
        displacement, change = constant_acceleration(field, advance, q, v, self.spec.dt)
        return Prediction(State(advance(q, displacement), v + change, state.memory), displacement)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics`."""
        super().normalise(state, action, next_state)
        self.posture.normalise(state.q, torch.zeros_like(state.v), torch.zeros_like(action))
        self.flight.normalise(state.q, state.v, action)
        self.touch.normalise(state.q, state.v, action)
        self.acceleration.normalise((next_state.v - state.v) / self.spec.dt)
        rate = self.kinematics.difference(state.q, next_state.q) / self.spec.dt
        self.correction.normalise(rate - 0.5 * (state.v + next_state.v))

    def _accelerate(self, q: Tensor, force: Tensor) -> Tensor:
        """Return the acceleration that a generalised force (*batch, nv) gives."""
        still = q.new_zeros(*q.shape[:-1], self.spec.nv), q.new_zeros(*q.shape[:-1], self.spec.nu)
        entries = self.inertia(self.posture(q, *still))
        nv = self.spec.nv
        root = entries.new_zeros(*entries.shape[:-1], nv, nv)
        row, column = self.triangle.unbind()
        root[..., row, column] = entries
        # An untrained model's inertia is near one, so that forces begin as accelerations.
        root = root + torch.eye(nv, dtype=q.dtype, device=q.device)
        moved = (root @ (root.mT @ force.unsqueeze(-1))).squeeze(-1)
        return moved + LEAST_MOBILITY * force

    def _contact_force(self, q: Tensor, v: Tensor, force: Tensor) -> Tensor:
        """Return J^T c, (*batch, nv), for forces (*batch, 3 nc) at the contact points."""
        contacts = self.kinematics.contacts(q, v)
        lowest = torch.minimum(contacts.height, contacts.later)
        force = force.unflatten(-1, (-1, 3)) * torch.sigmoid(-lowest / CONTACT_SCALES[0])[..., None]
        # Contact velocities are linear in v: those of its unit vectors are the Jacobian.
        unit = torch.diag(self.acceleration.spread / self.acceleration.spread.norm())
        shape = (*q.shape[:-1], self.spec.nv, self.spec.nq)
        jacobian = self.kinematics.contacts(
            q.unsqueeze(-2).expand(shape), unit.expand(*q.shape[:-1], -1, -1)
        ).velocity
        return (jacobian * force.unsqueeze(-3)).sum((-1, -2))
