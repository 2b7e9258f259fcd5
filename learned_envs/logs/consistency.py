"""Whether recordings agree with one another: one robot, one rate, one unit of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from learned_envs.logs.finding import Finding
from learned_envs.logs.stretch import Cuts

SLOWER, ANOTHER_UNIT = 1.5, 10.0
"""How many times another step than usual is named; and is taken for another unit of time."""

Range = tuple[float, float]


def consistency_findings(
    cuts: Cuts, ranges: Mapping[str, Mapping[str, Range]]
) -> Iterator[Finding]:
    """Say which recordings are unlike the others.

    Args:
        cuts: what was read.
        ranges: least and largest value of joints and actions, by column and by recording.
    """
    if cuts.empty:
        yield Finding(
            "warning",
            "",
            f"{len(cuts.empty)} recordings hold no row, first {cuts.empty[0]}",
            "see whether they were copied whole",
        )
    (first, known), *others = cuts.columns.items()
    if others:
        other, where = others[0]
        differ = ", ".join(map(repr, sorted(first ^ other)[:5]))
        yield Finding(
            "note",
            "",
            f"recordings differ in columns that the map does not name: {differ}, of {known} and "
            f"{where}",
        )
    yield from _paces(cuts.paces)
    for column, found in ranges.items():
        yield from _apart(column, found)


def _paces(paces: Mapping[str, float]) -> Iterator[Finding]:
    usual = float(np.median([*paces.values()]))
    times = {where: max(pace / usual, usual / pace) for where, pace in paces.items()}
    worst = max(times, key=lambda where: times[where])
    if times[worst] > SLOWER:
        count = sum(each > SLOWER for each in times.values())
        yield Finding(
            "error" if times[worst] > ANOTHER_UNIT else "warning",
            "",
            f"{count} recordings have another step, first {worst}: {paces[worst]:.4g} s, where "
            f"{usual:.4g} s is usual",
            "see whether its time is in another unit; give each rate a fit of its own",
        )


def _apart(column: str, found: Mapping[str, Range]) -> Iterator[Finding]:
    """Name recordings whose range of a column lies outside that of all others."""
    lows, highs = np.array([*found.values()]).T
    if len(found) < 3:
        return
    # The least and the largest of all but one.
    least, largest = np.full_like(lows, lows.min()), np.full_like(highs, highs.max())
    least[lows.argmin()], largest[highs.argmax()] = np.sort(lows)[1], np.sort(highs)[-2]
    off = np.flatnonzero((lows > largest) | (highs < least))
    if len(off):
        where = [*found][off[0]]
        yield Finding(
            "warning",
            column,
            f"goes from {lows[off[0]]:.4g} to {highs[off[0]]:.4g} in {where}, and from "
            f"{least[off[0]]:.4g} to {largest[off[0]]:.4g} in the others",
            "see whether it is of the same robot, with the same zero and unit",
        )
