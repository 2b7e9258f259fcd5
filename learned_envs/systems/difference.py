"""What two specs of a system do not share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from learned_envs.systems.spec import ROUNDING, SystemSpec

ASKED_LATER = (
    *("mass", "inertia", "inertial_pos", "inertial_quat"),
    *("armature", "stiffness", "spring_rest", "held"),
)
"""What the first versions of a spec did not ask for."""


def differences(one: SystemSpec, other: SystemSpec) -> list[tuple[str, Any, Any]]:
    """Return what two specs do not share: where, and what each says there.

    Versions of MuJoCo compile an MJCF to numbers that differ by rounding; such numbers are one. So
    is a shape that one of them has no kind for.

    Examples:
        >>> from dataclasses import replace
        >>> from learned_envs.card import read_card
        >>> spec = read_card("Hopper").spec
        >>> differences(spec, replace(spec, frame_skip=2))
        [('frame_skip', 4, 2)]
    """
    one, other = _asked(one), _asked(other)
    one, other = _as_known(one, other), _as_known(other, one)
    return list(_differences("", one.to_dict(), other.to_dict()))


def _asked(spec: SystemSpec) -> SystemSpec:
    """Return a spec without what is known of data, and what follows from all else."""
    joints = tuple(replace(joint, met=False) for joint in spec.joints)
    return replace(spec, pairs=(), joints=joints)


def known_differences(one: SystemSpec, other: SystemSpec) -> list[tuple[str, Any, Any]]:
    """Return what two specs do not share of what both were asked for; see `differences`."""
    found = differences(one, other)
    if not any(body.mass is None for spec in (one, other) for body in spec.bodies):
        return found
    return [each for each in found if each[0].rpartition(".")[2].split("[")[0] not in ASKED_LATER]


def _as_known(spec: SystemSpec, other: SystemSpec) -> SystemSpec:
    """Return a spec without the shapes that the other one has no kind for."""
    if len(spec.geoms) != len(other.geoms):
        return spec
    geoms = (
        replace(geom, kind="other", vertices=(), beyond=0.0) if theirs.kind == "other" else geom
        for geom, theirs in zip(spec.geoms, other.geoms, strict=True)
    )
    return replace(spec, geoms=tuple(geoms))


def _differences(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one:
            yield from _differences(f"{where}.{name}".lstrip("."), one[name], other[name])
    elif isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{where}[{index}]", *pair)
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING**2):
            yield where, one, other
    elif one != other:
        yield where, one, other
