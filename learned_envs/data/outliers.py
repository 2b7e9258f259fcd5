"""Recorded values that lie so far out that they set the scale of a column."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np

from learned_envs.data.recording import Array, Recording
from learned_envs.systems.spec import SystemSpec

TAIL = 0.01
"""The share of a column's rows, the furthest out, that may be outliers. The others are its core."""

FAR = 20.0
"""How many spreads of the core an outlier is away from the core's mean."""

BEYOND = 1000.0
"""The same for observations and further columns, which no motion confirms. Forces of contacts are
rare and large, but not as large; what spreads by less than 1 counts as if it spread by 1."""

SHARE = 0.1
"""The part of a column's variance that outliers make up if they rule it."""

LEAST_CORE = 20
"""A core of fewer rows does not say what is far."""

LEAST_SPREAD = 1e-6
"""A column that spreads by less counts as constant, and so it does to the models' features."""

UNEXPLAINED = 0.25
"""The share of an outlier that a step's motion leaves unexplained. It is 0.5 where one velocity in
a resting episode is wrong, and near 0 where a body falls or is pushed."""


@dataclass(frozen=True)
class Outlier:
    """A value that rules its column.

    Attributes:
        column: such as "qvel[3]".
        why: what tells it from a value that is real, as half a sentence.
        row: of the recording.
        value: what was recorded there.
        count: how many such values the column has.
        mean: of the column without its outer values.
        spread: the standard deviation there.
        share: the part of the column's variance, 0 to 1, that such values make up.
    """

    column: str
    why: str
    row: int
    value: float
    count: int
    mean: float
    spread: float
    share: float


def without_peaks(recording: Recording, names: AbstractSet[str]) -> tuple[Recording, list[str]]:
    """Clip what a solver made, such as forces of contacts, to where most of it lies.

    A few of its peaks would set the scale that all the rest is learned by. They are real: bodies
    that a start puts into each other are pushed apart by forces a thousand times the usual ones.

    Args:
        recording: the episodes.
        names: of the columns.

    Returns:
        The episodes, and a note for each column that was clipped.
    """
    columns, notes = dict(recording.columns), []
    # What lacks a column is refused where that is read.
    for name in names & columns.keys():
        values = columns[name]
        order = np.argsort(np.abs(values - np.median(values, axis=0)), axis=0, kind="stable")
        core = np.take_along_axis(values, order, 0)[: -max(1, int(TAIL * len(values)))]
        if len(core) < LEAST_CORE:
            continue
        reach = FAR * np.maximum(core.std(0), LEAST_SPREAD)
        low, high = core.mean(0) - reach, core.mean(0) + reach
        columns[name] = np.clip(values, low, high)
        if count := int((columns[name] != values).any(1).sum()):
            notes.append(
                f"{name} is clipped to {FAR:g} spreads where it is learned, in {count:,} of "
                f"{len(values):,} states."
            )
    return replace(recording, columns=columns), notes


def find_outliers(
    recording: Recording, spec: SystemSpec, observed: Collection[int] | None = None
) -> list[Outlier]:
    """Find values that rule their column, and that are not real.

    A few values that make up much of a column's variance set the scale by which a model sees it.
    Some of them are real: a pendulum that is balanced for hours falls once, a block that lies is
    pushed once. Then positions change as the velocities say. So a value is an outlier only if
    they do not. Velocities that contacts change are no outliers: in 20,000 steps that `collect`
    gave for each of the package's tasks, none was FAR. What is recorded beside q and v has to be
    out of all proportion.

    Args:
        recording: the episodes.
        spec: the system, whose joints are slides, hinges and free joints.
        observed: columns of the observations to look at; None for all.

    Returns:
        One for each column that has outliers, the furthest out. Components of quaternions are
        bounded, and have none.
    """
    inside = np.ones(len(recording.qpos), dtype=bool)
    inside[recording.offsets + recording.lengths] = False
    starts = np.flatnonzero(inside)
    q, v = recording.qpos, recording.qvel
    moved = _displacement(q[starts], q[starts + 1], spec)
    told = spec.dt * (v[starts] + v[starts + 1]) / 2
    fastest = spec.dt * np.maximum(np.abs(v[starts]), np.abs(v[starts + 1]))
    # A state at the end of an episode has one step that leads to it or from it, others have two.
    denied = np.ones(v.shape, dtype=bool)
    struck = _beside(np.abs(v[starts + 1] - v[starts]), spec)
    for rows in (starts, starts + 1):
        denied[rows] &= np.abs(moved - told) > UNEXPLAINED * spec.dt * np.abs(v[rows])
        denied[rows] &= np.abs(v[rows]) > struck
    found = [_ruling(f"qvel[{i}]", v[:, i], denied[:, i]) for i in range(spec.nv)]
    for name, array in {"observations": recording.observations, **recording.columns}.items():
        every = range(array.shape[1])
        chosen = every if observed is None or name != "observations" else sorted(observed)
        found += [_ruling(f"{name}[{i}]", array[:, i]) for i in chosen]
    episode = np.repeat(np.arange(len(recording)), recording.lengths + 1)
    for place, index in _lines(spec):
        distance = np.abs(q[:, place] - np.median(q[:, place]))
        furthest = np.maximum(distance[starts], distance[starts + 1])
        # A contact within a step changes the velocity, but no position moves faster than that.
        jumps = np.abs(moved[:, index]) - 2 * fastest[:, index] > UNEXPLAINED * furthest
        # Where a body comes to rest, a contact moves it by more than it is away from there.
        jumps &= furthest > FAR * _core(q[:, place]).std()
        # All that is recorded before or after a jump to or from afar is in doubt.
        doubted = np.bincount(episode[starts], weights=jumps)[episode] > 0
        found.append(_ruling(f"qpos[{place}]", q[:, place], doubted))
    return [outlier for outlier in found if outlier is not None]


def _ruling(name: str, values: Array, wrong: Array | None = None) -> Outlier | None:
    """Return the furthest value of a column, (n), if those that are far rule it.

    Args:
        name: of the column.
        values: (n).
        wrong: (n) bool, which of them the motion does not confirm; None if it says nothing.
    """
    values = np.ascontiguousarray(values)
    core = _core(values)
    if len(core) < LEAST_CORE:
        return None
    mean, spread = float(core.mean()), float(core.std())
    distance = np.abs(values - mean)
    if wrong is None:
        why, far = "out of all proportion", distance > BEYOND * max(spread, 1.0)
    else:
        why, far = "which the motion there does not confirm", wrong & (distance > FAR * spread)
    square = (distance / max(float(distance.max()), LEAST_SPREAD)) ** 2
    share = float(square[far].sum() / max(float(square.sum()), np.finfo(float).tiny))
    if share < SHARE or distance.max() ** 2 < LEAST_SPREAD**2 * len(values):
        return None
    row = int(np.argmax(np.where(far, distance, -1.0)))
    return Outlier(name, why, row, float(values[row]), int(far.sum()), mean, spread, share)


def _core(values: Array) -> Array:
    """Return a column without its outer values."""
    kept = len(values) - max(1, int(TAIL * len(values)))
    core: Array = values[np.argpartition(np.abs(values - np.median(values)), kept)[:kept]]
    return core


def _lines(spec: SystemSpec) -> list[tuple[int, int]]:
    """Return the index in q and in v of each coordinate whose velocity is its rate of change."""
    pairs = []
    for joint in spec.joints:
        pairs += [(joint.q + i, joint.v + i) for i in range(3 if joint.kind == "free" else 1)]
    return pairs


def _beside(change: Array, spec: SystemSpec) -> Array:
    """Return the most that a free body's velocity changes along its other two axes, (n, nv).

    What strikes a body changes its velocity along all of them. For other joints it is zero.
    """
    beside = np.zeros_like(change)
    for joint in spec.joints:
        if joint.kind == "free":
            for part in (slice(joint.v, joint.v + 3), slice(joint.v + 3, joint.v + 6)):
                axes = [np.delete(change[:, part], axis, 1).max(1) for axis in range(3)]
                beside[:, part] = np.stack(axes, 1)
    return beside


def _displacement(start: Array, end: Array, spec: SystemSpec) -> Array:
    """Return the velocity, (n, nv), that leads from one position to another in unit time."""
    moved = np.zeros((len(start), spec.nv))
    for place, index in _lines(spec):
        moved[:, index] = end[:, place] - start[:, place]
    for joint in spec.joints:
        if joint.kind == "free":
            quaternion = slice(joint.q + 3, joint.q + 7)
            turned = _turned(start[:, quaternion], end[:, quaternion])
            moved[:, joint.v + 3 : joint.v + 6] = turned
    return moved


def _turned(start: Array, end: Array) -> Array:
    """Return the rotation vector, (n, 3) in the body's frame, from one orientation to another."""
    w, x = start[:, :1], start[:, 1:]
    real = w * end[:, :1] + (x * end[:, 1:]).sum(1, keepdims=True)
    vector = w * end[:, 1:] - end[:, :1] * x - np.cross(x, end[:, 1:])
    # A quaternion and its negative are one orientation.
    vector *= np.where(real < 0, -1.0, 1.0)
    sine = np.linalg.norm(vector, axis=1, keepdims=True)
    angle = 2 * np.arctan2(sine, np.abs(real))
    return np.asarray(vector * np.divide(angle, sine, out=np.full_like(sine, 2.0), where=sine > 0))
