"""Pairs of shapes that meet: how far they are apart, and how they move against each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.contact import SpatialContacts
from learned_envs.kinematics.contact_convex import ConvexPairs
from learned_envs.kinematics.contact_round import RoundPairs
from learned_envs.kinematics.links import Links, register_constants
from learned_envs.systems.geom import CONVEX
from learned_envs.systems.spec import SystemSpec

ROUND = ("sphere", "capsule")


class Pairs(NamedTuple):
    """The pairs of shapes that a spec lists, in its order.

    Attributes:
        distance: (*batch, np) between the surfaces, metres; negative if they overlap.
        later: (*batch, np) the distance after one environment step of unchanged velocity.
        normal: (*batch, np, 3) the direction from the first to the second, world axes.
        velocity: (*batch, np, 3) of the second's material against the first's, where they are
            nearest to each other, world axes, m/s.
    """

    distance: Tensor
    later: Tensor
    normal: Tensor
    velocity: Tensor


class ShapePairs(nn.Module):
    """How near the pairs of shapes are that a spec lists.

    Spheres and capsules are exact; see `RoundPairs`, and `ConvexPairs` for all others.

    Attributes:
        links: (np, 2) the link of each shape.
    """

    links: Tensor
    last: Tensor
    relative: Tensor

    def __init__(self, spec: SystemSpec, spatial: SpatialContacts) -> None:
        super().__init__()
        self.spatial = spatial
        self.dt = spec.dt
        geoms = [(spec.geoms[pair.first], spec.geoms[pair.second]) for pair in spec.pairs]
        for kind in {geom.kind for pair in geoms for geom in pair}:
            if kind not in CONVEX:
                raise ParameterError(
                    f"Got a pair with a shape of kind {kind!r}, expected {', '.join(CONVEX)}. "
                    "Leave it out of the spec's pairs."
                )
        whether = [all(geom.kind in ROUND for geom in pair) for pair in geoms]
        rounds = [index for index, both in enumerate(whether) if both]
        others = [index for index, both in enumerate(whether) if not both]
        carrier = spatial.links.carrier
        self.round = RoundPairs([geoms[i] for i in rounds], carrier) if rounds else None
        self.convex = ConvexPairs([geoms[i] for i in others], carrier) if others else None
        links = torch.tensor([[carrier[geom.body] for geom in pair] for pair in geoms]).long()
        relative = spatial.screws.moving(links[:, 1]) - spatial.screws.moving(links[:, 0])
        # A coordinate that moves one of a pair alone matters, whatever else does not depend on it.
        apart = {
            joint.q + i for joint in spec.joints for i in range(2) if relative[:, joint.v].any()
        }
        self.everywhere = apart.isdisjoint(spec.cyclic)
        register_constants(
            self,
            links=links.reshape(-1, 2),
            last=torch.tensor([*rounds, *others]).long().argsort(),
            relative=relative,
        )

    def forward(self, q: Tensor, v: Tensor) -> Pairs:
        """Return the pairs at q (*batch, nq) and v (*batch, nv)."""
        links = self.spatial.placed(q) if self.everywhere else self.spatial.links(q)
        found = [part(links) for part in (self.round, self.convex) if part is not None]
        distance, normal, point = (torch.cat(parts, -2) for parts in zip(*found, strict=True))
        if self.round is not None and self.convex is not None:
            distance = distance.index_select(-2, self.last)
            normal = normal.index_select(-2, self.last)
            point = point.index_select(-2, self.last)
        distance = distance.squeeze(-1)
        turn, slide = self.spatial.screws(links)
        spin = self.relative @ (turn * v.unsqueeze(-1))
        velocity = self.relative @ (slide * v.unsqueeze(-1)) + torch.linalg.cross(spin, point)
        later = distance + self.dt * (normal * velocity).sum(-1)
        return Pairs(distance, later, normal, velocity)


def pair_base(links: Links, pairs: Tensor) -> Tensor:
    """Return which free joint moves the first shape of each pair (np, 2), or else its second."""
    first, second = (links.free_base(pairs[:, side]) for side in (0, 1))
    return torch.where(first < 0, second, first)
