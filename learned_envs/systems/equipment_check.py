"""Whether equipment that was read from a file can be one of a system."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from learned_envs.systems.consistency import LARGEST, LONGEST_NAME, MOST
from learned_envs.systems.equipment import Actuator, Equipment, Tendon
from learned_envs.systems.spec import SystemSpec
from learned_envs.systems.vector import Vector

MOST_PARTS = 1000
"""The most sites, tendons, actuators or sensors, and parts of one tendon."""

MOST_PARAMETERS = 100
"""Of an actuator's gain, bias or dynamics; MuJoCo has 10."""

LONGEST_READING = 1000

Condition = tuple[str, bool, str]
"""What was got, whether it is good, and what was expected."""


def check_equipment(equipment: Equipment, spec: SystemSpec) -> None:
    """Check that equipment fits a system whose spec was checked, and that its numbers can be.

    Raises:
        ValueError: if not; it names the field, what it is and what was expected.
    """
    for name, good, expected in _conditions(equipment, spec):
        if not good:
            raise ValueError(f"Got {name}, expected {expected}")


def _conditions(equipment: Equipment, spec: SystemSpec) -> Iterator[Condition]:
    for name in ("sites", "tendons", "actuators", "sensors"):
        parts: Sequence[object] = getattr(equipment, name)
        yield f"equipment.{name} of {len(parts)}", len(parts) <= MOST_PARTS, f"at most {MOST_PARTS}"
    yield _numbers("equipment.magnetic", equipment.magnetic, 3)
    mocap = equipment.mocap
    fixed = {*(index for index, body in enumerate(spec.bodies) if index and body.parent == 0)}
    fixed -= {joint.body for joint in spec.joints}
    good = {*mocap} <= fixed and len({*mocap}) == len(mocap)
    yield f"equipment.mocap = {mocap!r:.80}", good, "bodies of the world without joints"
    ranges = equipment.joint_force_ranges
    few = len(ranges) <= len(spec.joints)
    yield f"equipment.joint_force_ranges of {len(ranges)}", few, "one for each joint at most"
    for index, low, high in ranges:
        name = "equipment.joint_force_ranges"
        yield _index(name, index, len(spec.joints))
        yield from _range(name, (low, high))
    yield from chain(
        _sites(equipment, spec),
        _tendons(equipment, spec),
        _actuators(equipment, spec),
        _sensors(equipment, spec),
    )


def _sites(equipment: Equipment, spec: SystemSpec) -> Iterator[Condition]:
    for index, site in enumerate(equipment.sites):
        if site is None:
            continue
        name = f"equipment.sites[{index}]"
        yield _name(name, site.name)
        yield _index(f"{name}.body", site.body, len(spec.bodies))
        yield _numbers(f"{name}.pos", site.pos, 3)
        unit = len(site.quat) == 4 and math.isclose(math.hypot(*site.quat), 1.0, abs_tol=1e-6)
        yield f"{name}.quat = {site.quat!r:.200}", unit, "a unit quaternion"


def _tendons(equipment: Equipment, spec: SystemSpec) -> Iterator[Condition]:
    for index, tendon in enumerate(equipment.tendons):
        if tendon is None:
            continue
        name = f"equipment.tendons[{index}]"
        yield _name(name, tendon.name)
        yield from _range(f"{name}.force_range", tendon.force_range)
        yield from _parts(name, tendon, equipment, spec)


def _parts(
    name: str, tendon: Tendon, equipment: Equipment, spec: SystemSpec
) -> Iterator[Condition]:
    size = max(len(tendon.joints), len(tendon.path))
    yield f"{name} of {size} parts", size <= MOST_PARTS, f"at most {MOST_PARTS}"
    for joint, coefficient in tendon.joints:
        yield _index(f"{name}.joints", joint, len(spec.joints))
        moves = spec.joints[joint].kind != "free"
        yield f"{name}.joints of joint {joint}", moves, "a slide or a hinge"
        yield _numbers(f"{name}.joints", (coefficient,), 1)
    for start, end, divisor in tendon.path:
        for site in (start, end):
            yield _part(f"{name}.path", site, equipment.sites)
        good = 0 < divisor < LARGEST
        yield f"{name}.path with divisor {divisor}", good, "a number above zero"


def _actuators(equipment: Equipment, spec: SystemSpec) -> Iterator[Condition]:
    activations: list[int] = []
    for index, actuator in enumerate(equipment.actuators):
        if actuator is None:
            continue
        name = f"equipment.actuators[{index}]"
        yield _name(name, actuator.name)
        yield _numbers(f"{name}.gear", actuator.gear, 6)
        for field in ("gain_parameters", "bias_parameters", "dynamics_parameters"):
            given: Vector = getattr(actuator, field)
            few = len(given) <= MOST_PARAMETERS
            yield f"{name}.{field} of {len(given)}", few, f"at most {MOST_PARAMETERS}"
            yield _numbers(f"{name}.{field}", given, len(given))
        for field in ("control_range", "force_range", "activation_range"):
            yield from _range(f"{name}.{field}", getattr(actuator, field))
        yield _numbers(f"{name}.length_range", actuator.length_range, 2)
        yield _numbers(f"{name}.acceleration", (actuator.acceleration,), 1)
        if actuator.activation != -1:
            activations.append(actuator.activation)
        yield from _target(name, actuator, equipment, spec)
    most = next((leaf.size for leaf in spec.leaves if leaf.name == "act"), MOST)
    distinct = len({*activations}) == len(activations)
    good = distinct and min(activations, default=0) >= 0 and max(activations, default=0) < most
    yield f"activations {activations!r:.80}", good, f"indices of their own, below {most}"


def _target(
    name: str, actuator: Actuator, equipment: Equipment, spec: SystemSpec
) -> Iterator[Condition]:
    match actuator.transmission:
        case "joint":
            yield _index(f"{name}.target", actuator.target, len(spec.joints))
        case "tendon":
            yield _part(f"{name}.target", actuator.target, equipment.tendons)
        case "site":
            yield _part(f"{name}.target", actuator.target, equipment.sites)
            if actuator.reference != -1:
                yield _part(f"{name}.reference", actuator.reference, equipment.sites)


def _sensors(equipment: Equipment, spec: SystemSpec) -> Iterator[Condition]:
    for index, sensor in enumerate(equipment.sensors):
        if sensor is None:
            continue
        name = f"equipment.sensors[{index}]"
        yield _name(name, sensor.name)
        yield _name(f"{name}.kind", sensor.kind)
        good = 0 <= sensor.size <= LONGEST_READING
        yield f"{name}.size = {sensor.size}", good, f"0 to {LONGEST_READING}"
        yield f"{name}.start = {sensor.start}", 0 <= sensor.start < MOST**2, "an index"
        yield f"{name}.cutoff = {sensor.cutoff}", 0 <= sensor.cutoff < math.inf, "zero or more"
        yield _object(f"{name}.object", sensor.of, sensor.object, equipment, spec)
        yield _object(f"{name}.reference", sensor.reference_of, sensor.reference, equipment, spec)


def _object(name: str, kind: str, index: int, equipment: Equipment, spec: SystemSpec) -> Condition:
    """Return whether the object of a kind that is computed exists."""
    parts: dict[str, Sequence[object]] = {
        **{"body": spec.bodies, "xbody": spec.bodies, "geom": spec.geoms, "joint": spec.joints},
        **{"site": equipment.sites, "tendon": equipment.tendons},
        "actuator": equipment.actuators,
    }
    if kind not in parts:
        return f"{name} of kind {kind!r:.80}", len(kind) <= LONGEST_NAME, "a short name"
    return _part(name, index, parts[kind])


def _part(name: str, index: int, parts: Sequence[object]) -> Condition:
    good = 0 <= index < len(parts) and parts[index] is not None
    return f"{name} = {index!r:.40}", good, "the index of a part that is there"


def _index(name: str, index: int, count: int) -> Condition:
    return f"{name} = {index!r:.40}", 0 <= index < count, f"an index below {count}"


def _range(name: str, limits: Vector | None) -> Iterator[Condition]:
    if limits is not None:
        yield _numbers(name, limits, 2)
        yield f"{name} = {limits!r:.80}", limits[0] <= limits[1], "the lower one first"


def _name(where: str, name: str) -> Condition:
    short = len(name) <= LONGEST_NAME
    return f"{where} named {name!r:.80}", short, f"at most {LONGEST_NAME} characters"


def _numbers(name: str, values: Vector, size: int) -> Condition:
    good = len(values) == size and all(abs(value) < LARGEST for value in values)
    return f"{name} = {values!r:.200}", good, f"{size} numbers within {LARGEST:g}"
