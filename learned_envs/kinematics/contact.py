"""The points of a system that meet a plane first: how far they are from it, how they move."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.links import Links, double, register_constants, transform
from learned_envs.kinematics.screws import Screws
from learned_envs.systems.geom import Geom
from learned_envs.systems.spec import SystemSpec
from learned_envs.systems.vector import Vector, vector_of

# A cylinder's cap tilted by less than this many radians counts as lying flat: its lowest rim
# point moves to the cap's centre, which costs less than radius * FLAT in height.
FLAT = 1e-4

TINY = 1e-20
"""Square metres that keep a point without an ellipsoid from dividing by zero."""


class Contacts(NamedTuple):
    """The points of the moving shapes that meet the world's planes first: floors, walls, slopes.

    Plane after plane they follow the order of the geoms: a sphere gives its lowest point, a capsule
    that of the sphere at each end (+z, then -z), a cylinder the lowest rim point of each cap (+z,
    then -z), a box its eight corners, a mesh the vertices that its spec has, and an ellipsoid its
    lowest point. What is lowest and how high it is, is counted along the plane's normal.

    Attributes:
        height: (*batch, nc) above the plane, metres; negative if it penetrates.
        later: (*batch, nc) the height after one environment step of free flight.
        velocity: (*batch, nc, 3) of the body's material at the point, world axes, m/s.
    """

    height: Tensor
    later: Tensor
    velocity: Tensor


class SpatialContacts(nn.Module):
    """Contact points of any system, from the transforms of its links."""

    moves: Tensor
    point_link: Tensor
    point_local: Tensor
    point_radius: Tensor
    cap_axis: Tensor
    ellipsoid: Tensor
    normal: Tensor
    plane_height: Tensor
    drop: Tensor
    acyclic: Tensor

    def __init__(self, spec: SystemSpec, links: Links) -> None:
        super().__init__()
        self.links = links
        self.dt = spec.dt
        self.screws = Screws(spec, links)
        points = [
            (links.carrier[geom.body], *point)
            for geom in spec.geoms
            if geom.touches
            for point in _points(geom)
        ]
        # This drops shapes that no joint moves, of the world and of bodies welded to it.
        points = [point for point in points if self.screws.moving(point[0]).any()]
        planes = [transform(geom.pos, geom.quat) for geom in shown_planes(spec)]
        plane = double([of.tolist() for of in planes for _ in points]).reshape(-1, 4, 4)
        points *= len(planes)
        point_link = torch.tensor([point[0] for point in points]).long()

        normal = plane[:, :3, 2]
        # Level ground is most systems' only plane: along its normal is upward.
        self.level = bool((normal == double([0.0, 0.0, 1.0])).all())
        # No plane that is touched slopes along a cyclic coordinate.
        acyclic = torch.ones(spec.nq).double()
        acyclic[list(spec.cyclic)] = 0.0
        self.caps = any(any(point[3]) for point in points)
        self.ellipsoids = any(any(map(any, point[4])) for point in points)
        register_constants(
            self,
            moves=self.screws.moving(point_link),
            point_link=point_link,
            point_local=double([(*point[1], 1.0) for point in points]).reshape(-1, 4, 1),
            point_radius=double([point[2] for point in points]).reshape(-1, 1),
            cap_axis=double([point[3] for point in points]).reshape(-1, 3, 1),
            ellipsoid=double([point[4] for point in points]).reshape(-1, 3, 3),
            normal=normal,
            plane_height=(normal * plane[:, :3, 3]).sum(-1),
            drop=0.5 * (normal @ double(spec.gravity)) * spec.dt**2,
            acyclic=acyclic,
        )

    def placed(self, q: Tensor) -> Tensor:
        """Return the links' transforms (*batch, nlink, 4, 4) where cyclic coordinates are zero.

        Contacts do not depend on these, which are coarse in float32 far away.
        """
        placed: Tensor = self.links(q * self.acyclic)
        return placed

    def forward(self, q: Tensor, v: Tensor) -> Contacts:
        """Return the contact points at q (*batch, nq) and v (*batch, nv)."""
        links = self.placed(q)
        frames = links.index_select(-3, self.point_link)
        down = self.normal
        if self.caps:
            axis = (frames[..., :3, :3] @ self.cap_axis).squeeze(-1)
            down = self.normal - self.upward(axis).unsqueeze(-1) * axis
            down = down / (down.square().sum(-1, keepdim=True) + FLAT**2).sqrt()
        center = (frames[..., :3, :] @ self.point_local).squeeze(-1)
        point = center - self.point_radius * down
        if self.ellipsoids:
            point = point - self._bulge(frames[..., :3, :3])

        turn, slide = self.screws(links)
        spin = self.moves @ (turn * v.unsqueeze(-1))
        velocity = self.moves @ (slide * v.unsqueeze(-1)) + torch.linalg.cross(spin, point)
        height = self.upward(point) - self.plane_height
        return Contacts(height, height + self.dt * self.upward(velocity) + self.drop, velocity)

    def _bulge(self, turn: Tensor) -> Tensor:
        """Return how far ellipsoids reach from their centres along the normals, (*batch, nc, 3).

        With M of semi-axes squared, the support point in direction n is M n / sqrt(n M n).
        """
        normal = (turn * self.normal.unsqueeze(-1)).sum(-2)
        reach = (self.ellipsoid @ normal.unsqueeze(-1)).squeeze(-1)
        length = ((reach * normal).sum(-1, keepdim=True) + TINY).sqrt()
        return (turn @ (reach / length).unsqueeze(-1)).squeeze(-1)

    def upward(self, vector: Tensor) -> Tensor:
        """Return how far each point's vector, (*batch, nc, 3), leads along its plane's normal."""
        return vector[..., 2] if self.level else (vector * self.normal).sum(-1)


class PlanarContacts(nn.Module):
    """Contact points of a system whose hinges are parallel, by one small linear map.

    With t the angles of the hinges' links, each the signed sum of the hinge angles up to it,
    heights are linear in (cos t, sin t, q, 1) and velocities in (t' sin t, t' cos t, v).
    """

    angle: Tensor
    angle_offset: Tensor
    contact: Tensor
    contact_offset: Tensor

    def __init__(self, **constants: Tensor) -> None:
        super().__init__()
        register_constants(self, **constants)

    @classmethod
    def equal_to(cls, spatial: SpatialContacts, spec: SystemSpec) -> Self | None:
        """Fit the maps to `spatial` at random states; None if they do not equal it there.

        Both sides are analytic in q, so they are equal if they are at more states than unknowns.
        """
        if spatial.links.free:
            return None
        q0 = double(spec.q0)
        screws = spatial.screws
        turn, _ = screws(spatial.links(q0))
        hinges = screws.turns[:, 0].nonzero()[:, 0]
        upward = spatial.links.carries[screws.frame[hinges]][:, screws.frame]
        angle = upward * (turn[hinges] @ turn.T).round()

        generator = torch.Generator().manual_seed(0)
        samples = 4 * (2 * len(angle) + spec.nq + 1)
        noise = torch.randn(2, samples, spec.nq, generator=generator, dtype=torch.float64)
        q, v = q0 + 2 * noise[0], noise[1]
        truth = spatial(q, v)
        basis = _planar_basis(q, v, angle, -angle @ q0)
        half = basis.shape[-1] // 2
        still = torch.cat([basis[:, :half], torch.ones_like(basis[:, :1])], dim=-1)
        maps = []
        for features, target in ((still, truth.height), (basis[:, half:], truth.velocity)):
            target = target.flatten(1)
            solution = torch.linalg.lstsq(features, target).solution
            # Rounding must not let heights depend on x, which grows without bound.
            solution = solution.where(solution.abs() > 1e-10, 0.0)
            if not torch.allclose(features @ solution, target, rtol=0.0, atol=1e-8):
                return None
            maps.append(solution.T)
        height, velocity = maps
        offset, height = height[:, -1], functional.pad(height[:, :-1], (0, half))
        velocity = functional.pad(velocity, (half, 0))
        rising = spatial.upward(velocity.reshape(-1, 3, velocity.shape[-1]).movedim(-1, 0)).T
        later = height + spatial.dt * rising
        return cls(
            angle=angle,
            angle_offset=-angle @ q0,
            contact=torch.cat([height, later, velocity]),
            contact_offset=torch.cat(
                [offset, offset + spatial.drop, offset.new_zeros(len(velocity))]
            ),
        )

    def forward(self, q: Tensor, v: Tensor) -> Contacts:
        """Return the contact points at q (*batch, nq) and v (*batch, nv)."""
        basis = _planar_basis(q, v, self.angle, self.angle_offset)
        found = functional.linear(basis, self.contact, self.contact_offset)
        count = len(self.contact) // 5
        height, later = found[..., :count], found[..., count : 2 * count]
        return Contacts(height, later, found[..., 2 * count :].reshape(*height.shape, 3))


def _planar_basis(q: Tensor, v: Tensor, angle: Tensor, offset: Tensor) -> Tensor:
    turned, rate = functional.linear(q, angle, offset), functional.linear(v, angle)
    cosine, sine = turned.cos(), turned.sin()
    return torch.cat([cosine, sine, q, rate * sine, rate * cosine, v], dim=-1)


def shown_planes(spec: SystemSpec) -> list[Geom]:
    """List the planes whose contacts models see: those of the world that something touches."""
    return [g for g in spec.geoms if g.kind == "plane" and g.body == 0 and g.touches]


Point = tuple[Vector, float, Vector, tuple[Vector, ...]]


def _points(geom: Geom) -> list[Point]:
    """List a shape's contact points.

    Each is a centre, a radius, the axis of a cap (0 without one), and the rows of an ellipsoid's
    matrix of squared semi-axes (0 without one), all in the body's frame.
    """
    pose = transform(geom.pos, geom.quat)
    center, axes = pose[:3, 3], pose[:3, :3]
    none: tuple[Vector, ...] = ((0.0, 0.0, 0.0),) * 3
    still: Vector = (0.0, 0.0, 0.0)
    if geom.kind == "sphere":
        return [(vector_of(center), geom.size[0], still, none)]
    if geom.kind in ("capsule", "cylinder"):
        cap = axes[:, 2] * float(geom.kind == "cylinder")
        ends = [center + end * geom.size[1] * axes[:, 2] for end in (1, -1)]
        return [(vector_of(end), geom.size[0], vector_of(cap), none) for end in ends]
    if geom.kind == "ellipsoid":
        matrix = axes @ double(geom.size).square().diag() @ axes.T
        return [(vector_of(center), 0.0, still, tuple(map(vector_of, matrix)))]
    corners = [(center + axes @ double(corner)).tolist() for corner in corners_of(geom)]
    return [(tuple(corner), 0.0, still, none) for corner in corners]


def corners_of(geom: Geom) -> list[Vector]:
    """List the corners of a box and the vertices of a mesh, in the geom's frame."""
    if geom.kind == "box":
        return list(product(*((half, -half) for half in geom.size)))
    return list(geom.vertices)
