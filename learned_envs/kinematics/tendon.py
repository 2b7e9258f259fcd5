"""Lengths and velocities of tendons: MuJoCo's ten_length and ten_velocity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import register_constants
from learned_envs.kinematics.placed import Placed
from learned_envs.kinematics.tree import Tree
from learned_envs.systems.equipment import Tendon
from learned_envs.systems.spec import SystemSpec

SHORTEST = 1e-15
"""Metres. MuJoCo gives a shorter part of a tendon no direction of its own."""


class Pushes(Part):
    """What forces and torques at frames do to each degree of freedom."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self._tree = tree

    def forward(
        self,
        at: Instant,
        placed: Placed,
        force: Tensor,
        torque: Tensor | None = None,
        besides: Placed | None = None,
    ) -> Tensor:
        """Return generalised forces, (*batch, n, nv).

        Args:
            at: the instant.
            placed: the n frames at whose origins the forces act.
            force: (*batch, n, 3), world axes.
            torque: (*batch, n, 3), world axes.
            besides: other n frames; what moves both of a pair is left out.
        """
        moment = torch.linalg.cross(placed.levers(at), force)
        moment = moment if torque is None else moment + torque
        wrench = torch.cat([moment, force], -1)
        moves = self._tree.carries.index_select(0, placed.link)
        if besides is not None:
            moves = moves * (1 - self._tree.carries.index_select(0, besides.link))
        return (wrench @ at.screws.mT * moves) @ self._tree.onto_v


class Routes(Part):
    """Straight lines between pairs of sites."""

    def __init__(self, first: Placed, second: Placed, pushes: Pushes) -> None:
        super().__init__()
        self._first, self._second, self._pushes = first, second, pushes

    @quantity
    def _gap(self, at: Instant) -> Tensor:
        return self._second.positions(at) - self._first.positions(at)

    @quantity
    def lengths(self, at: Instant) -> Tensor:
        """Return the lengths, (*batch, n) metres."""
        return self._gap(at).square().sum(-1).sqrt()

    @quantity
    def directions(self, at: Instant) -> Tensor:
        """Return the unit vectors from the first site to the second, (*batch, n, 3)."""
        length = self.lengths(at).unsqueeze(-1)
        return self._gap(at) / length.clamp(min=SHORTEST)

    @quantity
    def velocities(self, at: Instant) -> Tensor:
        """Return how fast the lengths grow, (*batch, n) m/s."""
        apart = self._second.velocities(at)[1] - self._first.velocities(at)[1]
        return (apart * self.directions(at)).sum(-1)

    @quantity
    def moments(self, at: Instant) -> Tensor:
        """Return how the lengths grow with each degree of freedom, (*batch, n, nv)."""
        force = self.directions(at)
        second: Tensor = self._pushes(at, self._second, force)
        first: Tensor = self._pushes(at, self._first, force)
        return second - first


class Tendons(Part):
    """Some tendons: sums of joints, and paths through sites."""

    by_q: Tensor
    by_v: Tensor
    share: Tensor

    def __init__(self, spec: SystemSpec, tendons: Sequence[Tendon], routes: Routes | None) -> None:
        """Lay out tendons.

        Args:
            spec: the system.
            tendons: those that are asked for.
            routes: the straight parts of all paths, one tendon's after the other's.
        """
        super().__init__()
        self.routes = routes
        by_q = torch.zeros(len(tendons), spec.nq).double()
        by_v = torch.zeros(len(tendons), spec.nv).double()
        owners = [row for row, tendon in enumerate(tendons) for _ in tendon.path]
        divisors = [part[2] for tendon in tendons for part in tendon.path]
        share = torch.zeros(len(tendons), len(owners)).double()
        for part, (row, divisor) in enumerate(zip(owners, divisors, strict=True)):
            share[row, part] = 1 / divisor
        for row, tendon in enumerate(tendons):
            for index, coefficient in tendon.joints:
                joint = spec.joints[index]
                by_q[row, joint.q] += coefficient
                by_v[row, joint.v] += coefficient
        register_constants(self, by_q=by_q, by_v=by_v, share=share)

    @quantity
    def lengths(self, at: Instant) -> Tensor:
        """Return the lengths, (*batch, n)."""
        length = at.q @ self.by_q.mT
        return length if self.routes is None else length + self.routes.lengths(at) @ self.share.mT

    @quantity
    def velocities(self, at: Instant) -> Tensor:
        """Return how fast the lengths grow, (*batch, n)."""
        velocity = at.v @ self.by_v.mT
        if self.routes is None:
            return velocity
        return velocity + self.routes.velocities(at) @ self.share.mT

    @quantity
    def moments(self, at: Instant) -> Tensor:
        """Return how the lengths grow with each degree of freedom, (n, nv) or (*batch, n, nv)."""
        if self.routes is None:
            return self.by_v
        return self.by_v + self.share @ self.routes.moments(at)
