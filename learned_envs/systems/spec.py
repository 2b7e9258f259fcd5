"""What a model may know of a system: constants of its MJCF, and its control period.

Symbols, used everywhere: `q` positions (nq), `v` velocities (nv), `u` actions (nu), `dt` the
time of one environment step. A free joint has a unit quaternion (w, x, y, z) in `q` and an angular
velocity in the body's frame in `v`, so nq exceeds nv by one for every free joint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec

from learned_envs.systems.geom import Geom, Pair
from learned_envs.systems.vector import Vector, dot, rotated

ROUNDING = 1e-6
"""Directions that differ by less are one: MJCF files write them with few digits."""


@dataclass(frozen=True)
class Body:
    """A rigid body; body 0 is the world.

    Attributes:
        name: the MJCF name.
        parent: index of the parent body (0 for the world itself).
        pos: position in the parent's frame with every joint at its reference, metres.
        quat: orientation in the parent's frame, (w, x, y, z).
        mass: kilograms; None if a version that did not ask for it made the spec.
        inertia: (3,) principal moments about the centre of mass, kg m^2.
        inertial_pos: centre of mass in the body's frame, metres.
        inertial_quat: orientation of the principal axes in the body's frame, (w, x, y, z).
    """

    name: str
    parent: int
    pos: Vector
    quat: Vector
    mass: float | None = None
    inertia: Vector = (0.0, 0.0, 0.0)
    inertial_pos: Vector = (0.0, 0.0, 0.0)
    inertial_quat: Vector = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Joint:
    """A joint that moves a body relative to its parent.

    Attributes:
        name: the MJCF name.
        kind: how it moves.
        body: index of the body that it moves.
        q: its first index in q.
        v: its first index in v.
        axis: unit axis in the body's frame (unused by free joints).
        pos: anchor in the body's frame, metres.
        limits: (low, high); None if the joint has no limits.
        armature: inertia that is added on the joint's own axis.
        stiffness: of the joint's spring; 0 without one.
        spring_rest: the q at which the spring is at rest.
        held: whether the motion depends on how far an unlimited joint has travelled along the
            ground, or on whole turns of it: a spring, a tendon, an equality or an actuator that
            follows positions holds it.
        met: whether what it moves can collide with what moves apart from it. Then the motion
            depends on where they are to each other.
    """

    name: str
    kind: Literal["slide", "hinge", "free"]
    body: int
    q: int
    v: int
    axis: Vector
    pos: Vector
    limits: Vector | None = None
    armature: float = 0.0
    stiffness: float = 0.0
    spring_rest: float = 0.0
    held: bool = False
    met: bool = False


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """What belongs to the state beside q and v. Files hold it as a list, in this order.

    Attributes:
        name: of MuJoCo's data, such as "act" or "mocap_pos"; of a constant of the model that resets
            draw, such as "model.body_pos[5]"; or of numbers that the environment's Python keeps,
            such as "env._last_action" or "env._history[0]".
        size: how many numbers it has.
        shape: of them where they lie; flat if None is given.
        frozen: whether it is constant within an episode.
        seen: whether the motion depends on it, so that networks see it as a feature.
        kind: of the numbers where they lie.
        also: further places of the environment where the same array lies.

    Examples:
        >>> Leaf("act", 2).shape, Leaf("act", 2).seen
        ((2,), True)
    """

    name: str
    size: int
    shape: tuple[int, ...] | None = None
    frozen: bool = False
    seen: bool = True
    kind: Literal["float", "int", "bool"] = "float"
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.shape is None:
            msgspec.structs.force_setattr(self, "shape", (self.size,))


@dataclass(frozen=True)
class SystemSpec:
    """All that a model may know about a system: constants of its MJCF, and its control period.

    It is stored in a checkpoint's card, so that a simulation loads without MuJoCo.

    Attributes:
        reference_id: the Gymnasium id of the environment that was described.
        timestep: the solver's step, seconds.
        frame_skip: solver steps in one environment step.
        gravity: (3,) m/s^2.
        q0: (nq,) reference positions: where the environment's resets are centred, and the zero
            of every slide and hinge.
        control_low: (nu,) lower end of the environment's own action space.
        control_high: (nu,) upper end of it.
        bodies: the bodies, parents before children.
        joints: the joints in the order of q.
        geoms: the shapes.
        leaves: what belongs to the state beside q and v, such as activations of actuators. Pairs
            of name and size are made leaves.
        pairs: shapes that met one another in the data that a model was fitted to; models see how
            far they are apart. Planes of the world are not among them: see `Geom.touches`.

    Examples:
        >>> from learned_envs.card import read_card
        >>> spec = read_card("Hopper").spec
        >>> spec.nq, spec.nv, spec.nu, spec.dt, spec.cyclic, spec.joints[0].name
        (6, 6, 3, 0.008, (0,), 'rootx')
    """

    reference_id: str
    timestep: float
    frame_skip: int
    gravity: Vector
    q0: Vector
    control_low: Vector
    control_high: Vector
    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]
    geoms: tuple[Geom, ...]
    leaves: tuple[Leaf, ...] = ()
    pairs: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        leaves = (leaf if isinstance(leaf, Leaf) else Leaf(*leaf) for leaf in self.leaves)
        object.__setattr__(self, "leaves", tuple(leaves))

    @property
    def dt(self) -> float:
        """Time of one environment step, seconds."""
        return self.timestep * self.frame_skip

    @property
    def nq(self) -> int:
        """Size of q."""
        return len(self.q0)

    @property
    def nv(self) -> int:
        """Size of v."""
        return self.nq - sum(joint.kind == "free" for joint in self.joints)

    @property
    def nu(self) -> int:
        """Size of an action."""
        return len(self.control_low)

    @cached_property
    def cyclic(self) -> tuple[int, ...]:
        """Indices of q that the motion does not depend on: unlimited travel along the ground.

        Analytical mechanics calls them cyclic. They are the horizontal slides of bodies that hang
        on the world, and the horizontal positions of free joints. Neither gravity nor a plane may
        slope along them, and nothing may hold or meet them. A system has none if it has fixed
        shapes to collide with, other than the world's own planes.
        """
        if self._obstacles:
            return ()
        indices: list[int] = []
        for joint in self.joints:
            body = self.bodies[joint.body]
            if body.parent != 0 or joint.held or joint.met:
                continue
            if joint.kind == "free":
                if self._level((1.0, 0.0, 0.0)) and self._level((0.0, 1.0, 0.0)):
                    indices += [joint.q, joint.q + 1]
            elif joint.kind == "slide" and joint.limits is None:
                axis = rotated(joint.axis, body.quat)
                if abs(axis[2]) < ROUNDING and self._level(axis):
                    indices.append(joint.q)
        return tuple(indices)

    @cached_property
    def adrift(self) -> tuple[int, ...]:
        """First indices in q of the free joints whose places matter to one another alone.

        They meet each other and nothing else that a joint moves, and as one they would be cyclic.
        """
        met = [joint for joint in self.joints if joint.met]
        level = self._level((1.0, 0.0, 0.0)) and self._level((0.0, 1.0, 0.0))
        loose = all(j.kind == "free" and not j.held for j in met if self._carries(j))
        if self._obstacles or not level or not loose:
            return ()
        return tuple(joint.q for joint in met if joint.kind == "free")

    @cached_property
    def turning(self) -> tuple[int, ...]:
        """Indices of q that count turns: the angles of hinges that nothing limits or holds."""
        return tuple(
            j.q for j in self.joints if j.kind == "hinge" and j.limits is None and not j.held
        )

    @cached_property
    def endless(self) -> tuple[int, ...]:
        """Indices of q that have no range: travel, turns that are counted, and orientations."""
        free = [joint for joint in self.joints if joint.kind == "free"]
        turned = [joint.q + 3 + i for joint in free for i in range(4)]
        adrift = [start + i for start in self.adrift for i in range(2)]
        return (*adrift, *self.cyclic, *self.turning, *turned)

    @cached_property
    def heading(self) -> tuple[int, int, int] | None:
        """Indices of x, y and angle, in q and in v; None if the motion may depend on one.

        It does not if a body hangs on the world by a slide along x, one along y and a hinge about
        z without limits, in this order, gravity is vertical, and x and y are cyclic.
        """
        root = [joint for joint in self.joints if self.bodies[joint.body].parent == 0]
        axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        upright = all(self.bodies[joint.body].quat == (1.0, 0.0, 0.0, 0.0) for joint in root)
        if (
            tuple(joint.kind for joint in root) != ("slide", "slide", "hinge")
            or tuple(joint.axis for joint in root) != axes
            or root[2].q not in self.turning
            or self.cyclic != (root[0].q, root[1].q)
            or any(self.gravity[:2])
            or not upright
        ):
            return None
        # No free joint precedes them, so indices in q are indices in v.
        return root[0].q, root[1].q, root[2].q

    @cached_property
    def _obstacles(self) -> bool:
        """Whether there are fixed shapes to collide with, other than the world's own planes."""
        return any(
            geom.body in self._fixed and geom.touches and (geom.kind != "plane" or geom.body != 0)
            for geom in self.geoms
        )

    def _carries(self, joint: Joint) -> bool:
        """Whether a joint joins a body to the world."""
        return self.bodies[joint.body].parent == 0

    def _level(self, axis: Vector) -> bool:
        """Whether gravity and the planes that are touched are level along an axis of the world."""
        uprights = [
            rotated((0.0, 0.0, 1.0), geom.quat)
            for geom in self.geoms
            if geom.kind == "plane" and geom.touches
        ]
        return all(abs(dot(axis, upright)) < ROUNDING for upright in (self.gravity, *uprights))

    @cached_property
    def _fixed(self) -> set[int]:
        """Indices of the bodies that no joint moves, the world's first."""
        moved = {joint.body for joint in self.joints}
        fixed = {0}
        for index, body in enumerate(self.bodies):
            if index not in moved and body.parent in fixed:
                fixed.add(index)
        return fixed

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain data for JSON."""
        leaves = tuple(msgspec.structs.astuple(leaf) for leaf in self.leaves)
        return {**asdict(self), "leaves": leaves}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SystemSpec:
        """Build a spec from the data of `to_dict`, as read back from JSON."""
        return msgspec.convert(data, cls)
