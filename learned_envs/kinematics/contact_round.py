"""How near spheres and capsules are to one another, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_envs.kinematics.links import double, register_constants, transform
from learned_envs.systems.geom import Geom

PARALLEL = 1e-6
"""Squared sine of the angle below which two axes count as parallel."""

TINY = 1e-12
"""Square metres that keep what has no length, or no distance, from dividing by zero."""


class RoundPairs(nn.Module):
    """Pairs of segments that have a radius: closest points by Ericson, 2005, section 5.1.9.

    Where the segments themselves cross, the normal is zero.
    """

    link: Tensor
    local: Tensor
    radii: Tensor

    def __init__(self, pairs: Sequence[tuple[Geom, Geom]], carrier: Sequence[int]) -> None:
        super().__init__()
        # All of the first shapes, and then all of the second.
        geoms = [pair[side] for side in (0, 1) for pair in pairs]
        register_constants(
            self,
            link=torch.tensor([carrier[geom.body] for geom in geoms]).long(),
            local=torch.stack([_segment(geom) for geom in geoms]),
            radii=double([[geom.size[0]] for geom in geoms]),
        )

    def forward(self, links: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return distances (*batch, n, 1), normals and points between both (*batch, n, 3).

        Args:
            links: (*batch, nlink, 4, 4), all of the system.
        """
        segments = links.index_select(-3, self.link)[..., :3, :] @ self.local
        center, half = segments[..., 0], segments[..., 1]
        count = len(self.radii) // 2
        one, other = half[..., :count, :], half[..., count:, :]
        apart = center[..., count:, :] - center[..., :count, :]
        aa, bb, ab = dot(one, one) + TINY, dot(other, other) + TINY, dot(one, other)
        a, b = dot(one, apart), dot(other, apart)
        across = aa * bb - ab * ab + PARALLEL * aa * bb
        first = ((a * bb - b * ab) / across).clamp(-1.0, 1.0)
        second = ((first * ab - b) / bb).clamp(-1.0, 1.0)
        first = ((a + second * ab) / aa).clamp(-1.0, 1.0)
        gap = apart + second * other - first * one
        length = (dot(gap, gap) + TINY).sqrt()
        normal = gap / length
        radius = self.radii[:count]
        distance = length - radius - self.radii[count:]
        point = center[..., :count, :] + first * one + normal * (radius + 0.5 * distance)
        return distance, normal, point


def _segment(geom: Geom) -> Tensor:
    """Return the centre of a sphere or capsule and half its axis, (4, 2), in its body's frame."""
    pose, half = transform(geom.pos, geom.quat), geom.size[1] if geom.kind == "capsule" else 0.0
    return torch.stack([pose[:, 3], half * pose[:, 2]], -1)


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Return inner products, (*batch, 1), of vectors (*batch, n)."""
    return (one * other).sum(-1, keepdim=True)
