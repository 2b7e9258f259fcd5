"""Whether velocities are the derivatives of positions, and quaternions of length one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
from scipy.spatial.transform import Rotation

from learned_envs.logs.finding import Finding
from learned_envs.logs.map import BaseMap, JointMap, LogMap
from learned_envs.logs.smoothing import Smoothings
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch, track_of

AGREES = 0.9
"""Least correlation of a velocity with the derivative of its position."""

BETTER = 0.05
"""By which another reading's correlation must be higher to be named."""

EDGE = 5
"""Rows at the ends of a stretch, where derivatives are worse."""


def motion_findings(
    found: Sequence[Stretch], log_map: LogMap, smoothing: Smoothings
) -> Iterator[Finding]:
    """Say which velocities are not what they should be.

    Args:
        found: stretches.
        log_map: what columns mean.
        smoothing: of columns; those that are missing are chosen.
    """
    for joint in log_map.joints:
        if joint.velocity is None:
            continue
        derived, told = _pairs(found, joint, smoothing)
        yield from _compared(joint.velocity, joint.position, derived, told)
    if (base := log_map.base) is not None:
        yield from _quaternion(found, base)
        if base.position is not None and base.linear_velocity is not None:
            yield from _linear(found, base, smoothing)
        if base.angular_velocity is not None:
            yield from _angular(found, base)


def _compared(name: str, position: str, derived: Array, told: Array) -> Iterator[Finding]:
    if derived.std() == 0 or told.std() == 0:
        return
    agreement = float(np.corrcoef(derived, told)[0, 1])
    slope = float(np.linalg.lstsq(told[:, None], derived, rcond=None)[0][0])
    if abs(agreement) < AGREES:
        yield Finding(
            "error",
            name,
            f"is not the derivative of {position!r}: they correlate by {agreement:.2f}",
            "map the right column, or take it out: velocities are derived then",
        )
    elif agreement < 0:
        yield Finding(
            "error", name, f"has the opposite sign of the derivative of {position!r}", "negate it"
        )
    else:
        for unit, factor in (("deg", np.pi / 180), ("rad", 180 / np.pi)):
            if abs(slope / factor - 1) < 0.2:
                yield Finding(
                    "error",
                    name,
                    f"is in another unit than {position!r}: its derivative is {slope:.3g} times "
                    f"it, so it looks like {unit}",
                    "give position and velocity in one unit, or take the velocity out",
                )
                return
        if abs(slope - 1) > 0.2:
            yield Finding(
                "error",
                name,
                f"differs from the derivative of {position!r} by a factor of {slope:.3g}",
                "see units and time, or take it out: velocities are derived then",
            )


def _pairs(found: Sequence[Stretch], joint: JointMap, smoothing: Smoothings) -> tuple[Array, Array]:
    """Return derivatives and velocities at the same times, (n,) each."""
    assert joint.velocity is not None
    derived, told = list[Array](), list[Array]()
    for stretch in found:
        track, values = track_of(stretch, joint.position)
        values = np.unwrap(values) if joint.kind == "hinge" else values
        other, speeds = track_of(stretch, joint.velocity)
        _, slopes = smoothing(joint.position, track.time, values, track.time)
        derived.append(slopes[EDGE:-EDGE])
        told.append(np.interp(track.time, other.time, speeds)[EDGE:-EDGE])
    return np.concatenate(derived), np.concatenate(told)


def _quaternion(found: Sequence[Stretch], base: BaseMap) -> Iterator[Finding]:
    parts = np.concatenate([_columns(s, base.orientation) for s in found])
    norms = np.linalg.norm(parts, axis=1)
    if np.abs(norms - 1).max() > 0.01:
        yield Finding(
            "error",
            base.orientation[0],
            f"begins a quaternion whose length goes from {norms.min():.3g} to {norms.max():.3g}",
            "map its four columns, which are a unit quaternion",
        )
        return
    flips = sum(
        int((np.einsum("ni,ni->n", q[1:], q[:-1]) < 0).sum())
        for q in (_columns(s, base.orientation) for s in found)
    )
    if flips:
        yield Finding(
            "mended", base.orientation[0], f"the quaternion changes its sign {flips} times: aligned"
        )
    first, last = np.abs(parts[:, 0]).mean(), np.abs(parts[:, 3]).mean()
    here, there = (first, last) if base.order == "wxyz" else (last, first)
    if there > 0.9 and here < 0.5:
        other = "xyzw" if base.order == "wxyz" else "wxyz"
        yield Finding(
            "error",
            base.orientation[0],
            f"the last number of the quaternion is {there:.2f} on average and the real one "
            f"{here:.2f}, as if the order were {other}",
            f'set order = "{other}", if the robot is upright most of the time',
        )


def _linear(found: Sequence[Stretch], base: BaseMap, smoothing: Smoothings) -> Iterator[Finding]:
    assert base.position is not None and base.linear_velocity is not None
    derived, told, turned = list[Array](), list[Array](), list[Array]()
    for stretch in found:
        track, _ = track_of(stretch, base.position[0])
        places = _columns(stretch, base.position)
        slopes = [
            smoothing(name, track.time, x, track.time)[1]
            for name, x in zip(base.position, places.T, strict=True)
        ]
        derived.append(np.stack(slopes, 1)[EDGE:-EDGE])
        told.append(_at(stretch, base.linear_velocity, track.time)[EDGE:-EDGE])
        turned.append(_at(stretch, base.orientation, track.time)[EDGE:-EDGE])
    rotation = _rotation(np.concatenate(turned), base.order)
    world, given = np.concatenate(derived), np.concatenate(told)
    yield from _framed(
        base.linear_velocity[0],
        "the positions'",
        {"world": world, "body": rotation.inv().apply(world)},
        given,
        base.linear_frame,
        "linear_frame",
    )


def _angular(found: Sequence[Stretch], base: BaseMap) -> Iterator[Finding]:
    assert base.angular_velocity is not None
    derived: dict[str, list[Array]] = {"world": [], "body": []}
    told = list[Array]()
    for stretch in found:
        track, _ = track_of(stretch, base.orientation[0])
        rotation = _rotation(_columns(stretch, base.orientation), base.order)
        steps = np.diff(track.time)[:, None]
        body = (rotation[:-1].inv() * rotation[1:]).as_rotvec() / steps
        derived["body"].append(body[EDGE:-EDGE])
        derived["world"].append(rotation[:-1].apply(body)[EDGE:-EDGE])
        told.append(_at(stretch, base.angular_velocity, track.time)[:-1][EDGE:-EDGE])
    yield from _framed(
        base.angular_velocity[0],
        "the orientation's",
        {frame: np.concatenate(parts) for frame, parts in derived.items()},
        np.concatenate(told),
        base.angular_frame,
        "angular_frame",
    )


def _framed(
    name: str,
    whose: str,
    derived: dict[str, Array],
    told: Array,
    frame: str,
    key: str,
) -> Iterator[Finding]:
    """Say if velocities agree with derivatives in another frame, or along other axes."""

    def agreement(one: Array, other: Array) -> float:
        scale = np.linalg.norm(one) * np.linalg.norm(other)
        return float((one * other).sum() / scale) if scale else 0.0

    here = agreement(derived[frame], told)
    found = [
        (agreement(each, told[:, list(order)]), other, order)
        for other, each in derived.items()
        for order in permutations(range(3))
    ]
    best, other, order = max(found)
    if here >= AGREES or best < here + BETTER:
        if here < AGREES:
            yield Finding(
                "error",
                name,
                f"begins velocities that are not {whose} derivatives: they agree by {here:.2f}",
                "map the right columns, or take them out: velocities are derived then",
            )
        return
    axes = "".join("xyz"[place] for place in order)
    if other != frame:
        yield Finding(
            "error",
            name,
            f"agrees with {whose} derivatives in the {other} frame",
            f'set {key} = "{other}"',
        )
    if axes != "xyz":
        yield Finding(
            "error",
            name,
            f"agrees with {whose} derivatives with its axes in the order {axes}",
            "map the columns in that order",
        )


def _columns(stretch: Stretch, names: Sequence[str]) -> Array:
    return np.stack([track_of(stretch, name)[1] for name in names], 1)


def _at(stretch: Stretch, names: Sequence[str], time: Array) -> Array:
    tracks = [track_of(stretch, name) for name in names]
    return np.stack([np.interp(time, track.time, values) for track, values in tracks], 1)


def _rotation(parts: Array, order: str) -> Rotation:
    return Rotation.from_quat(parts, scalar_first=order == "wxyz")
