"""The learned parts of analytical mechanics: inertia, potential, dissipation and control force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_envs.dynamics.coordinates import Coordinates
from learned_envs.dynamics.dynamics import Family
from learned_envs.dynamics.feature import Standardised
from learned_envs.dynamics.frame import Frames
from learned_envs.dynamics.given import seen_size
from learned_envs.dynamics.network import MLP
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec

LEAST_ROOT = 0.05
"""The least diagonal entry of a root, in its unit. It bounds how singular a matrix can be."""

SOFTPLUS_ONE = math.log(math.expm1(1 - LEAST_ROOT))
"""At this input, softplus and the least root sum to one."""

INITIAL_DAMPING = 0.1
"""The square root of the damping of an untrained model, in its unit."""


class Posture(Standardised):
    """What functions of position alone see: `Coordinates`, standardised. Leaves come last.

    Attributes:
        size: how many features there are.
        seen: how many of them are of leaves.
    """

    def __init__(self, spec: SystemSpec) -> None:
        super().__init__()
        self.frames = Frames(spec)
        self.coordinates = Coordinates(spec, self.frames)
        self.seen = seen_size(spec)
        with torch.no_grad():
            q = torch.tensor(spec.q0, dtype=torch.float32)
            self.size = self._raw(q, torch.zeros(spec.nu + self.seen)).shape[-1]
        self.hold(self.size)

    def forward(self, q: Tensor, given: Tensor) -> Tensor:
        """Return the features, (*batch, size), at q (*batch, nq); see `given_by`."""
        return self.standardise(self._raw(q, given))

    @torch.no_grad()
    def normalise(self, q: Tensor, given: Tensor) -> None:
        """Set the mean and the scale from data, (n, .) each. Constants are not scaled."""
        leaves = slice(self.size - self.seen, self.size) if self.seen else None
        self.measure(self._raw(q, given), leaves=leaves)

    def _raw(self, q: Tensor, given: Tensor) -> Tensor:
        parts = [self.coordinates.travelled(q), *self.coordinates.turned(q, self.frames(q))]
        if self.seen:
            parts.append(given[..., -self.seen :].expand(*q.shape[:-1], -1))
        return torch.cat(parts, -1)


class PositiveMatrix(nn.Module):
    """A matrix function of posture, S L(x) L(x)^T S with learned lower triangular L.

    Attributes:
        unit: (nv) the diagonal of S.
    """

    unit: Tensor
    triangle: Tensor

    def __init__(self, posture: Posture, size: int, family: Family, members: int | None) -> None:
        """Make it.

        Args:
            posture: what it is a function of.
            size: rows of the matrix.
            family: says how wide the network is.
            members: as in `Family.build`.
        """
        super().__init__()
        entries = size * (size + 1) // 2
        # Of many rows whose entries are as large as the diagonal, a triangle is nearly singular
        # (Viswanath and Trefethen, "Condition Numbers of Random Triangular Matrices", 1998).
        # Models of systems without free joints were trained without this.
        self.coupling = size**-0.5 if posture.frames.rotates else 1.0
        self.network = MLP(posture.size, entries, family.hidden, members, family.activation)
        self.register_buffer("unit", torch.ones(size))
        self.register_buffer("triangle", torch.tril_indices(size, size), persistent=False)

    def root(self, posture: Tensor) -> Tensor:
        """Return S L, (*batch, n, n), whose diagonal is positive."""
        size = len(self.unit)
        entries = self.network(posture)
        row, column = self.triangle.unbind()
        root = entries.new_zeros(*entries.shape[:-1], size, size)
        root[..., row, column] = entries * self.coupling
        diagonal = root.diagonal(dim1=-2, dim2=-1)
        # One if the network gives zero.
        positive = F.softplus(diagonal + SOFTPLUS_ONE) + LEAST_ROOT
        root = root - torch.diag_embed(diagonal) + torch.diag_embed(positive)
        scaled: Tensor = self.unit.unsqueeze(-1) * root
        return scaled

    def times(self, posture: Tensor, vector: Tensor) -> Tensor:
        """Return the matrix times (*batch, n)."""
        root = self.root(posture)
        return (root @ (root.mT @ vector.unsqueeze(-1))).squeeze(-1)

    def solve(self, posture: Tensor, vector: Tensor) -> Tensor:
        """Return the matrix's inverse times (*batch, n)."""
        return torch.cholesky_solve(vector.unsqueeze(-1), self.root(posture)).squeeze(-1)


class Forces(nn.Module):
    """Forces that no potential has: damping -D(x) v with positive D, and control G(x) u.

    What is seen of the state's leaves, such as an activation, acts beside the action u.
    """

    def __init__(
        self, posture: Posture, spec: SystemSpec, family: Family, members: int | None
    ) -> None:
        super().__init__()
        self.seen = posture.seen
        self.shape = (spec.nv, spec.nu + self.seen)
        self.damping = PositiveMatrix(posture, spec.nv, family, members)
        self.damping.unit.fill_(INITIAL_DAMPING)
        gains = math.prod(self.shape)
        self.control = (
            MLP(posture.size, gains, family.hidden, members, family.activation) if gains else None
        )

    def forward(self, posture: Tensor, v: Tensor, given: Tensor) -> Tensor:
        """Return the generalised force, (*batch, nv)."""
        force = -self.damping.times(posture, v)
        if self.control is None:
            return force
        drive = given
        if self.seen:
            # Leaves have units of their own, so they act as the posture has them.
            action = given[..., : -self.seen].expand(*posture.shape[:-1], -1)
            drive = torch.cat([action, posture[..., -self.seen :]], -1)
        gain: Tensor = self.control(posture).unflatten(-1, self.shape)
        return force + (gain @ drive.unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def normalise(self, speed: Tensor) -> None:
        """Set the unit of damping: a force of one at the data's spread of v, (nv)."""
        self.damping.unit.copy_(INITIAL_DAMPING / speed.sqrt())


def gradients(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of a function's values, (*batch), by its inputs, (*batch, .) each.

    They exist even if torch records no gradients. If it does, they are differentiable themselves.
    Members must not share an input, because its gradient would be the sum of theirs.
    """
    recorded = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        tracked = [
            x if recorded and x.requires_grad else x.detach().clone().requires_grad_()
            for x in inputs
        ]
        value = function(*tracked).sum()
        return torch.autograd.grad(value, tracked, create_graph=recorded)


def apart(state: State, members: int | None) -> State:
    """Give every member q and v of its own if they share them, (1, *batch, .)."""
    if members is None:
        return state
    q, v = (value.expand(members, *value.shape[1:]) for value in (state.q, state.v))
    return replace(state, q=q, v=v)


def directional_derivative(
    function: Callable[[Tensor], Tensor], point: Tensor, direction: Tensor
) -> Tensor:
    """Return the derivative of a function at a point along a direction."""
    with torch.inference_mode(False):
        # Neither inference tensors nor expanded ones can be parts of a dual number.
        point, direction = (
            value.clone(memory_format=torch.contiguous_format) for value in (point, direction)
        )
        derivative: Tensor = torch.func.jvp(function, (point,), (direction,))[1]
        return derivative
