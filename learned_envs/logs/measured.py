"""What is measured, as smoothers see it: without turns and signs that jump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from learned_envs.logs.map import BaseMap, LogMap
from learned_envs.logs.smoothing import SAMPLE, Smoothing, Smoothings
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch, track_of


def chosen_smoothing(sample: Iterable[Stretch], log_map: LogMap) -> Smoothings:
    """Choose how much each column is smoothed, by the stretch in which it moves most.

    What rests would be smoothed without end.
    """
    widest: dict[str, tuple[float, Array, Array]] = {}
    for stretch in sample:
        for name, time, values in _measured(stretch, log_map):
            moved = float(values[:SAMPLE].std())
            if name not in widest or moved > widest[name][0]:
                widest[name] = moved, time, values
    chosen = {name: Smoothing.of(time, values) for name, (_, time, values) in widest.items()}
    return Smoothings(chosen)


def noise_of(smoothing: Smoothings, log_map: LogMap) -> Array:
    """Return the spread of the measurements' noise, in radians and metres, (nv,)."""
    found = [smoothing.chosen[joint.position].noise for joint in log_map.joints]
    found += [smoothing.chosen[o.column].noise for o in log_map.observed if o.state]
    if (base := log_map.base) is None or base.position is None:
        return np.array(found)
    along = [smoothing.chosen[column].noise for column in base.position]
    # A small turn changes a quaternion by half of it.
    turn = 2.0 * float(np.mean([smoothing.chosen[name].noise for name in rates(base)]))
    return np.array([*along, turn, turn, turn, *found])


def _measured(stretch: Stretch, log_map: LogMap) -> Iterator[tuple[str, Array, Array]]:
    """Give what may be smoothed: its name, times and values."""
    columns = [observed.column for observed in log_map.observed if observed.state]
    if (base := log_map.base) is not None:
        columns += base.position or ()
        time = track_of(stretch, base.orientation[0])[0].time
        for name, values in zip(rates(base), quaternions(stretch, base).T, strict=True):
            yield name, time, values
    for column in columns:
        track, values = track_of(stretch, column)
        yield column, track.time, values
    for joint in log_map.joints:
        track, values = track_of(stretch, joint.position)
        turns = joint.kind == "hinge"
        yield joint.position, track.time, np.unwrap(values) if turns else values


def rates(base: BaseMap) -> tuple[str, ...]:
    """Return the names of a quaternion's parts (w, x, y, z) as they are smoothed."""
    return tuple(f"{column} (derivative)" for column in base.orientation)


def quaternions(stretch: Stretch, base: BaseMap) -> Array:
    """Return unit quaternions (w, x, y, z) whose signs do not jump, (n, 4)."""
    _, first = track_of(stretch, base.orientation[0])
    columns = [first, *(track_of(stretch, name)[1] for name in base.orientation[1:])]
    places = [base.order.index(part) for part in "wxyz"]
    turned = np.stack([columns[place] for place in places], 1)
    turned = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    flips = np.einsum("ni,ni->n", turned[1:], turned[:-1]) < 0
    signs = np.concatenate([[1.0], np.where(np.cumsum(flips) % 2, -1.0, 1.0)])
    return np.asarray(turned * signs[:, None])
