"""The shapes of a system, and which of them meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learned_envs.systems.vector import Vector

Kind = Literal["plane", "sphere", "capsule", "cylinder", "box", "ellipsoid", "mesh", "other"]

CONVEX = ("sphere", "capsule", "cylinder", "box", "ellipsoid", "mesh")
"""Shapes whose contacts models see, with planes of the world and among each other."""

MOST_VERTICES = 16
"""Of a mesh that models see."""


@dataclass(frozen=True)
class Geom:
    """A shape fixed to a body.

    Attributes:
        name: the MJCF name, possibly empty.
        kind: its shape; capsules and cylinders lie along the geom's z axis.
        body: index of its body.
        pos: centre in the body's frame, metres.
        quat: orientation in the body's frame, (w, x, y, z).
        size: MuJoCo's: radius; radius and half length; half sides of a box; semi-axes of an
            ellipsoid; unused for planes and meshes.
        touches: whether it collides with a plane of the world or, if no joint moves it, with
            anything that moves.
        vertices: of a mesh's convex hull, in the frame of the geom, metres; so many of them that
            models see all of them. Other shapes have none.
        beyond: by how much the hull of the whole mesh exceeds that of `vertices`, metres.
    """

    name: str
    kind: Kind
    body: int
    pos: Vector
    quat: Vector
    size: Vector
    touches: bool
    vertices: tuple[Vector, ...] = ()
    beyond: float = 0.0


@dataclass(frozen=True)
class Pair:
    """Two shapes that meet, and of which at least one is no plane of the world.

    Attributes:
        first: index of a geom.
        second: index of another.
    """

    first: int
    second: int
