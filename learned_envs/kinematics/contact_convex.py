"""How near convex shapes of any kind are to one another, by a fixed number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.contact_round import dot
from learned_envs.kinematics.links import double, register_constants, transform
from learned_envs.systems.geom import MOST_VERTICES, Geom

STEPS = 8
"""Of the search. Boxes, capsules and meshes need no more than six. Two ellipsoids or cylinders that
touch are left with an error of 0.02 to 0.1 mm in the median; with six steps of 0.1 to 0.5 mm, with
twelve of 0.01 mm."""

INSET = 0.1
"""Share of a shape's least half width that its core leaves out, so that cores of shapes that just
overlap are still apart, and have a normal."""

FLAT = 1e-6
"""Squared sine of the angle below which a triangle is taken for its edges."""

TINY = 1e-20
"""Square metres that keep what has no length from dividing by zero."""

SIDES = ((0, 1), (0, 2), (1, 2))

KEPT = ((0, 1, 2), *((corner, 3, 3) for corner in range(3)), *((*side, 3) for side in SIDES))
"""The corners that go on with what was nearest: the last point, an edge to corner 3, a triangle."""


class Support(nn.Module):
    """The farthest points of convex shapes in given directions, in the shapes' own frames.

    Attributes:
        margin: (n, 1) how far the shapes themselves lie around these points, metres.
    """

    box: Tensor
    disc: Tensor
    squares: Tensor
    hull: Tensor
    flat: Tensor
    margin: Tensor

    def __init__(self, geoms: Sequence[Geom], inset: float) -> None:
        """Take shapes.

        Args:
            geoms: the shapes (n).
            inset: share of the least half width that counts as margin.
        """
        super().__init__()
        parts = [_parts(geom, inset) for geom in geoms]
        columns = {name: double([part[name] for part in parts]) for name in parts[0]}
        kinds = {geom.kind for geom in geoms}
        self.discs, self.ellipsoids = "cylinder" in kinds, "ellipsoid" in kinds
        self.hulls = "mesh" in kinds
        register_constants(self, **columns, flat=double([1.0, 1.0, 0.0]))

    def forward(self, direction: Tensor) -> Tensor:
        """Return the points (*batch, n, 3) that lie farthest in directions of the same shape.

        They have no gradient: how far they reach does not change to first order.
        """
        direction = direction.detach()
        point = direction.sign() * self.box
        if self.discs:
            across = direction * self.flat
            point = point + self.disc * across / (dot(across, across) + TINY).sqrt()
        if self.ellipsoids:
            reach = self.squares * direction
            point = point + reach / (dot(reach, direction) + TINY).sqrt()
        if self.hulls:
            reach = (self.hull @ direction.unsqueeze(-1)).squeeze(-1)
            point = point + (_least(-reach).unsqueeze(-2) @ self.hull).squeeze(-2)
        return point


class ConvexPairs(nn.Module):
    """Pairs of convex shapes, by the algorithm of Gilbert, Johnson and Keerthi (1988).

    It searches the point of least length among the differences of two shapes' points. `STEPS`
    times it adds the farthest such difference against the last point, and keeps the corners of
    the edge or the triangle that the next one lies on. It works on cores, which lie within the
    shapes. The direction n that it finds then gives the distance of the shapes themselves, which
    is the largest over all n of their distance along n. Where shapes overlap deeper than their
    margins, the direction between their centres takes its place if that gives a larger one.
    Gradients of distances are exact, because a largest value is stationary; those of normals are
    of the second shape's turning alone.
    """

    link: Tensor
    local: Tensor
    first: Tensor
    second: Tensor
    kept: Tensor

    def __init__(self, pairs: Sequence[tuple[Geom, Geom]], carrier: Sequence[int]) -> None:
        super().__init__()
        one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        self.one, self.other = Support(one, INSET), Support(other, INSET)
        self.whole_one, self.whole_other = Support(one, 0.0), Support(other, 0.0)
        kept = functional.one_hot(torch.tensor(KEPT), 4).double()
        register_constants(
            self,
            link=torch.tensor([carrier[geom.body] for geom in (*one, *other)]).long(),
            local=torch.stack([transform(geom.pos, geom.quat) for geom in (*one, *other)]),
            first=torch.tensor([side[0] for side in SIDES]),
            second=torch.tensor([side[1] for side in SIDES]),
            kept=kept.flatten(1).T.contiguous(),
        )

    def forward(self, links: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return distances (*batch, n, 1), normals and points between both (*batch, n, 3).

        Args:
            links: (*batch, nlink, 4, 4), all of the system.
        """
        poses = links.index_select(-3, self.link)[..., :3, :] @ self.local
        count = len(self.link) // 2
        turns, centers = poses[..., :3], poses[..., 3]
        onto = turns[..., count:, :, :]
        # All is in the frame of the second shape, where the first lies at `center`.
        turn = onto.mT @ turns[..., :count, :, :]
        center = _back(onto, centers[..., :count, :] - centers[..., count:, :])
        length = (dot(center, center) + TINY).sqrt()

        nearest = self._search(turn.detach(), center.detach())
        gap, ours = nearest[..., :3], nearest[..., 3:]
        normal = gap / (dot(gap, gap) + TINY).sqrt()
        between = -center / length
        found, instead = (self._along(turn, center, way) for way in (normal, between))
        distance = torch.maximum(found, instead)
        normal = torch.where(instead > found, between, normal)
        point = ours + gap - normal * (self.other.margin + 0.5 * distance)
        return distance, _forth(onto, normal), _forth(onto, point) + centers[..., count:, :]

    def _search(self, turn: Tensor, center: Tensor) -> Tensor:
        """Return the shortest difference of the cores' points, and the first's, (*batch, n, 6)."""
        nearest = self._corner(turn, center, -center)
        corners = nearest.unsqueeze(-2).expand(*nearest.shape[:-1], 3, 6)
        for _ in range(STEPS):
            corner = self._corner(turn, center, nearest[..., :3]).unsqueeze(-2)
            edges = corners - corner
            short = edges[..., :3]
            square, fall = dot(short, short), -dot(short, corner[..., :3])
            share = (fall / (square + TINY)).clamp(0.0, 1.0)

            e, f = edges.index_select(-2, self.first), edges.index_select(-2, self.second)
            ee, ff = square.index_select(-2, self.first), square.index_select(-2, self.second)
            ex, fx = fall.index_select(-2, self.first), fall.index_select(-2, self.second)
            ef = dot(e[..., :3], f[..., :3])
            area = ee * ff - ef * ef
            solid = area > FLAT * ee * ff
            area = torch.where(solid, area, 1.0)
            s, t = (ff * ex - ef * fx) / area, (ee * fx - ef * ex) / area
            # Outside of a triangle one of its edges is nearer; its corner stands for it here.
            inside = (solid & (s >= 0) & (t >= 0) & (s + t <= 1)).to(s.dtype)
            points = torch.cat(
                [
                    nearest.unsqueeze(-2),
                    corner + share * edges,
                    corner + (s * inside) * e + (t * inside) * f,
                ],
                -2,
            )
            chosen = _least(points[..., :3].square().sum(-1))
            nearest = (chosen.unsqueeze(-2) @ points).squeeze(-2)
            rows = functional.linear(chosen, self.kept)
            rows = rows.reshape(*chosen.shape[:-1], 3, 4)
            corners = rows @ torch.cat([corners, corner], -2)
        return nearest

    def _corner(self, turn: Tensor, center: Tensor, against: Tensor) -> Tensor:
        """Return the difference of the cores' points farthest against a vector; and the first's."""
        ours = center + _forth(turn, self.one(_back(turn, against)))
        return torch.cat([self.other(-against) - ours, ours], -1)

    def _along(self, turn: Tensor, center: Tensor, way: Tensor) -> Tensor:
        """Return how far the shapes are apart along unit vectors (*batch, n, 3)."""
        ours = center + _forth(turn, self.whole_one(_back(turn, way)))
        gap = self.whole_other(-way) - ours
        return dot(gap, way) - self.whole_one.margin - self.whole_other.margin


def _parts(geom: Geom, inset: float) -> dict[str, Any]:
    """Return what a shape is the sum of: a box, a disc, an ellipsoid, a hull, and a margin."""
    radius, half, _ = geom.size
    if geom.kind in ("sphere", "capsule"):
        box = [0.0, 0.0, half if geom.kind == "capsule" else 0.0]
        return _sum_of(margin=radius, box=box)
    least = min(geom.size[:2] if geom.kind == "cylinder" else geom.size)
    margin = inset * least
    sizes = [size - margin for size in geom.size]
    if geom.kind == "cylinder":
        return _sum_of(margin=margin, box=[0.0, 0.0, sizes[1]], disc=sizes[0])
    if geom.kind == "ellipsoid":
        return _sum_of(margin=margin, squares=[size**2 for size in sizes])
    if geom.kind == "box":
        return _sum_of(margin=margin, box=sizes)
    vertices = double(geom.vertices)
    vertices = vertices * (1 - margin / vertices.norm(dim=-1, keepdim=True).clamp_min(least))
    # The first vertex fills the places of those that a smaller hull lacks.
    missing = vertices[:1].expand(MOST_VERTICES - len(vertices), 3)
    return _sum_of(margin=margin, hull=torch.cat([vertices, missing]).tolist())


def _sum_of(
    margin: float,
    box: Sequence[float] = (0.0, 0.0, 0.0),
    disc: float = 0.0,
    squares: Sequence[float] = (0.0, 0.0, 0.0),
    hull: Sequence[Sequence[float]] = ((0.0, 0.0, 0.0),) * MOST_VERTICES,
) -> dict[str, Any]:
    return {
        "margin": [margin],
        "box": list(box),
        "disc": [disc],
        "squares": list(squares),
        "hull": [list(vertex) for vertex in hull],
    }


def _least(values: Tensor) -> Tensor:
    """Return weights that pick the least along the last dimension, or the mean of equal ones."""
    least = (values == values.amin(-1, keepdim=True)).to(values.dtype)
    return least / least.sum(-1, keepdim=True)


def _forth(turn: Tensor, vector: Tensor) -> Tensor:
    """Return vectors (*batch, n, 3) turned by matrices."""
    return (turn @ vector.unsqueeze(-1)).squeeze(-1)


def _back(turn: Tensor, vector: Tensor) -> Tensor:
    """Return vectors (*batch, n, 3) turned by the inverses of matrices."""
    return (vector.unsqueeze(-2) @ turn).squeeze(-2)
