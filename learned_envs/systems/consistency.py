"""Whether a spec that was read from a file can be one of a system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

from learned_envs.systems.geom import MOST_VERTICES
from learned_envs.systems.spec import Joint, SystemSpec
from learned_envs.systems.vector import Vector

LARGEST = 1e10
"""What MuJoCo takes for a number that has exploded."""

LONGEST_NAME = 1000
MOST = 10_000
"""The most bodies, joints, shapes, leaves or actuators of a system, and solver steps in a step."""

LONGEST_STEP = 10.0
"""Seconds."""


def check_spec(spec: SystemSpec) -> None:
    """Check that all sizes of a spec agree, its indices point to something and its numbers can be.

    Raises:
        ValueError: if not; it names the field, what it is and what was expected.
    """
    for name, good, expected in _conditions(spec):
        if not good:
            raise ValueError(f"Got {name}, expected {expected}")


def _conditions(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    """What was got, whether it is good, and what was expected, for one field after the other."""
    yield (
        f"spec.reference_id = {spec.reference_id!r:.80}",
        0 < len(spec.reference_id) <= LONGEST_NAME,
        f"a name of at most {LONGEST_NAME} characters",
    )
    yield (
        f"spec.timestep = {spec.timestep}",
        0 < spec.timestep <= LONGEST_STEP,
        f"seconds above 0, at most {LONGEST_STEP}",
    )
    yield (
        f"spec.frame_skip = {spec.frame_skip!r:.40}",
        0 < spec.frame_skip <= MOST,
        f"a number from 1 to {MOST}",
    )
    yield _numbers("spec.gravity", spec.gravity, 3)
    for name in ("q0", "control_low", "bodies", "joints", "geoms", "leaves", "pairs"):
        size = len(getattr(spec, name))
        yield f"spec.{name} of {size}", size <= MOST, f"at most {MOST}"
    yield _numbers("spec.q0", spec.q0, len(spec.q0))
    yield _numbers("spec.control_low", spec.control_low, spec.nu)
    yield _numbers("spec.control_high", spec.control_high, spec.nu)
    yield (
        f"spec.control_low = {spec.control_low}",
        all(map(float.__le__, map(float, spec.control_low), map(float, spec.control_high))),
        f"numbers that are not above spec.control_high = {spec.control_high}",
    )
    yield from chain(_bodies(spec), _joints(spec), _geoms(spec), _leaves(spec), _pairs(spec))


def _bodies(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    yield f"spec.bodies of {len(spec.bodies)}", len(spec.bodies) > 0, "the world at least"
    for index, body in enumerate(spec.bodies):
        name = f"spec.bodies[{index}]"
        yield _name(name, body.name)
        parent = 0 <= body.parent < max(index, 1)
        yield f"{name}.parent = {body.parent!r:.40}", parent, "a body that comes before it"
        yield _numbers(f"{name}.pos", body.pos, 3)
        yield _rotation(f"{name}.quat", body.quat)
        mass = body.mass is None or 0 <= body.mass < LARGEST
        yield f"{name}.mass = {body.mass}", mass, "kilograms"
        yield _numbers(f"{name}.inertia", body.inertia, 3)
        yield _numbers(f"{name}.inertial_pos", body.inertial_pos, 3)
        yield _rotation(f"{name}.inertial_quat", body.inertial_quat)


def _joints(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    q, v = 0, 0
    for index, joint in enumerate(spec.joints):
        name = f"spec.joints[{index}]"
        yield _name(name, joint.name)
        moved = 0 < joint.body < len(spec.bodies)
        yield f"{name}.body = {joint.body!r:.40}", moved, "the index of a body that moves"
        yield f"{name}.q = {joint.q!r:.40}", joint.q == q, str(q)
        yield f"{name}.v = {joint.v!r:.40}", joint.v == v, str(v)
        yield _numbers(f"{name}.pos", joint.pos, 3)
        yield _numbers(f"{name}.axis", joint.axis, 3)
        if joint.kind != "free":
            yield f"{name}.axis = {joint.axis}", _is_unit(joint.axis), "a unit vector"
        yield from _range_of(name, joint)
        yield f"{name}.armature = {joint.armature}", joint.armature >= 0, "zero or more"
        for what in ("armature", "stiffness", "spring_rest"):
            yield _numbers(f"{name}.{what}", (getattr(joint, what),), 1)
        q, v = (q + 7, v + 6) if joint.kind == "free" else (q + 1, v + 1)
    yield f"spec.q0 of {spec.nq} numbers", q == spec.nq, f"{q}, as its joints have"


def _range_of(name: str, joint: Joint) -> Iterator[tuple[str, bool, str]]:
    if joint.limits is not None:
        yield _numbers(f"{name}.limits", joint.limits, 2)
        ordered = joint.limits[0] <= joint.limits[1]
        yield f"{name}.limits = {joint.limits}", ordered, "the lower one first"


def _geoms(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    for index, geom in enumerate(spec.geoms):
        name = f"spec.geoms[{index}]"
        yield _name(name, geom.name)
        fixed = 0 <= geom.body < len(spec.bodies)
        yield f"{name}.body = {geom.body!r:.40}", fixed, "the index of a body"
        yield _numbers(f"{name}.pos", geom.pos, 3)
        yield _rotation(f"{name}.quat", geom.quat)
        yield _numbers(f"{name}.size", geom.size, 3)
        yield f"{name}.size = {geom.size}", min(geom.size) >= 0, "metres of zero or more"
        count, mesh = len(geom.vertices), geom.kind == "mesh"
        most = MOST_VERTICES if mesh else 0
        yield f"{name}.vertices of {count}", mesh <= count <= most, f"{int(mesh)} to {most}"
        for vertex in geom.vertices:
            yield _numbers(f"{name}.vertices", vertex, 3)
        yield f"{name}.beyond = {geom.beyond}", 0 <= geom.beyond < LARGEST, "metres, 0 or more"


def _leaves(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    names = [leaf.name for leaf in spec.leaves]
    yield f"spec.leaves named {names!r:.80}", len({*names}) == len(names), "names of their own"
    for leaf in spec.leaves:
        name, size = f"{leaf.name!r:.80}", leaf.size
        yield _name("spec.leaves", leaf.name)
        yield f"spec.leaves {name} of {size!r:.40}", 0 < size <= MOST, f"1 to {MOST} numbers"
        fits = math.prod(leaf.shape or ()) == size
        yield f"spec.leaves {name} of shape {leaf.shape!r:.80}", fits, f"{size} numbers"


def _pairs(spec: SystemSpec) -> Iterator[tuple[str, bool, str]]:
    for index, pair in enumerate(spec.pairs):
        two = (pair.first, pair.second)
        known = all(0 <= geom < len(spec.geoms) for geom in two) and two[0] != two[1]
        yield f"spec.pairs[{index}] of {two!r:.80}", known, "the indices of two geoms"


def _name(where: str, name: str) -> tuple[str, bool, str]:
    short = len(name) <= LONGEST_NAME
    return f"{where} named {name!r:.80}", short, f"at most {LONGEST_NAME} characters"


def _numbers(name: str, values: Vector, size: int) -> tuple[str, bool, str]:
    good = len(values) == size and all(abs(value) < LARGEST for value in values)
    return f"{name} = {values!r:.200}", good, f"{size} numbers within {LARGEST:g}"


def _rotation(name: str, quat: Vector) -> tuple[str, bool, str]:
    return f"{name} = {quat!r:.200}", len(quat) == 4 and _is_unit(quat), "a unit quaternion"


def _is_unit(vector: Vector) -> bool:
    # MJCF files write few digits, and MuJoCo normalises what it reads.
    return math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-6)
