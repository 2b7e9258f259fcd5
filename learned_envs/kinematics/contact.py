"""The points of a system that meet a plane first: how far they are from it, how they move."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.links import Links, double, register_constants, transform
from learned_envs.systems.spec import Geom, Joint, SystemSpec, Vector

# A cylinder's cap tilted by less than this many radians counts as lying flat: its lowest rim
# point moves to the cap's centre, which costs less than radius * FLAT in height.
FLAT = 1e-4


class Contacts(NamedTuple):
    """The points of the moving shapes that meet the world's planes first: floors, walls, slopes.

    Plane after plane they follow the order of the geoms: a sphere gives its lowest point, a capsule
    that of the sphere at each end (+z, then -z), a cylinder the lowest rim point of each cap (+z,
    then -z). What is lowest and how high it is, is counted along the plane's normal.

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

    frame: Tensor
    axis: Tensor
    anchor: Tensor
    turns: Tensor
    moves: Tensor
    point_link: Tensor
    point_local: Tensor
    point_radius: Tensor
    cap_axis: Tensor
    normal: Tensor
    plane_height: Tensor
    drop: Tensor
    acyclic: Tensor

    def __init__(self, spec: SystemSpec, links: Links) -> None:
        super().__init__()
        self.links = links
        self.dt = spec.dt
        dofs = [dof for joint in spec.joints for dof in _dofs(joint, links.link_of[joint.v])]
        points = [
            (links.carrier[geom.body], *point)
            for geom in spec.geoms
            if geom.touches
            for point in _points(geom)
        ]
        # This drops shapes that no joint moves, of the world and of bodies welded to it.
        mover = [dof[0] for dof in dofs]
        points = [point for point in points if links.carries[point[0], mover].any()]
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
        register_constants(
            self,
            frame=torch.tensor([dof[1] for dof in dofs]).long(),
            axis=double([dof[2] for dof in dofs]).reshape(-1, 3, 1),
            anchor=double([(*dof[3], 1.0) for dof in dofs]).reshape(-1, 4, 1),
            turns=double([dof[4] for dof in dofs]).reshape(-1, 1),
            moves=links.carries[point_link][:, mover],
            point_link=point_link,
            point_local=double([(*point[1], 1.0) for point in points]).reshape(-1, 4, 1),
            point_radius=double([point[2] for point in points]).reshape(-1, 1),
            cap_axis=double([point[3] for point in points]).reshape(-1, 3, 1),
            normal=normal,
            plane_height=(normal * plane[:, :3, 3]).sum(-1),
            drop=0.5 * (normal @ double(spec.gravity)) * spec.dt**2,
            acyclic=acyclic,
        )

    def screws(self, links: Tensor) -> tuple[Tensor, Tensor]:
        """Return the axis each v turns about, and how it moves the origin, (*batch, nv, 3) each."""
        frames = links.index_select(-3, self.frame)
        axis = (frames[..., :3, :3] @ self.axis).squeeze(-1)
        anchor = (frames[..., :3, :] @ self.anchor).squeeze(-1)
        moment = torch.linalg.cross(anchor, axis)
        return axis * self.turns, torch.lerp(axis, moment, self.turns)

    def forward(self, q: Tensor, v: Tensor) -> Contacts:
        """Return the contact points at q (*batch, nq) and v (*batch, nv)."""
        # Contacts do not depend on cyclic coordinates, which are coarse in float32 far away.
        links = self.links(q * self.acyclic)
        frames = links.index_select(-3, self.point_link)
        down = self.normal
        if self.caps:
            axis = (frames[..., :3, :3] @ self.cap_axis).squeeze(-1)
            down = self.normal - self.upward(axis).unsqueeze(-1) * axis
            down = down / (down.square().sum(-1, keepdim=True) + FLAT**2).sqrt()
        center = (frames[..., :3, :] @ self.point_local).squeeze(-1)
        point = center - self.point_radius * down

        turn, slide = self.screws(links)
        spin = self.moves @ (turn * v.unsqueeze(-1))
        velocity = self.moves @ (slide * v.unsqueeze(-1)) + torch.linalg.cross(spin, point)
        height = self.upward(point) - self.plane_height
        return Contacts(height, height + self.dt * self.upward(velocity) + self.drop, velocity)

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
        turn, _ = spatial.screws(spatial.links(q0))
        hinges = spatial.turns[:, 0].nonzero()[:, 0]
        upward = spatial.links.carries[spatial.frame[hinges]][:, spatial.frame]
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


def _dofs(joint: Joint, link: int) -> list[tuple[int, int, Vector, Vector, float]]:
    """List a joint's degrees of freedom: link, link of the frame, axis and anchor in that frame.

    The last entry is 1 for a rotation and 0 for a translation.
    """
    if joint.kind != "free":
        return [(link, link, joint.axis, joint.pos, float(joint.kind == "hinge"))]
    origin: Vector = (0.0, 0.0, 0.0)
    axes: tuple[Vector, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    # A free joint's velocity is linear in the world's axes and angular in the body's.
    return [(link, 0, axis, origin, 0.0) for axis in axes] + [
        (link, link, axis, origin, 1.0) for axis in axes
    ]


def _points(geom: Geom) -> list[tuple[Vector, float, Vector]]:
    """List a shape's contact points: a centre, a radius, and the axis of a cap (0 without one)."""
    pose = transform(geom.pos, geom.quat)
    center, axis = pose[:3, 3], pose[:3, 2]
    if geom.kind not in ("sphere", "capsule", "cylinder"):
        return []
    ends = (0.0,) if geom.kind == "sphere" else (geom.size[1], -geom.size[1])
    cap = tuple((axis * float(geom.kind == "cylinder")).tolist())
    return [(tuple((center + end * axis).tolist()), geom.size[0], cap) for end in ends]
