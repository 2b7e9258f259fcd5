"""Recordings in the map's units, cut where they pause: what everything else looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.clock import finite, nanoseconds, time_of
from learned_envs.logs.map import UNITS, LogMap
from learned_envs.logs.stream import ROWS, Array, Run, Stream, full, named

PAUSE = 5.0
"""Median steps that a pause has at least, if the map does not say."""

PIECE = 2000
"""Rows of pieces that are looked at closely."""

LEAST = 8
"""Rows of a stretch; shorter ones are left out."""


@dataclass(frozen=True)
class Track:
    """Rows of one stream.

    Attributes:
        time: (n,) seconds since the run began, increasing.
        values: (n,) each, by full name, in radians, metres, seconds.
        first: which row of the run the first is.
    """

    time: Array
    values: Mapping[str, Array]
    first: int


@dataclass(frozen=True)
class Stretch:
    """What was measured without a pause.

    Attributes:
        where: the run.
        tracks: by stream; a table has one.
        before: seconds of all stretches before it.
    """

    where: str
    tracks: Mapping[str, Track]
    before: float = 0.0

    @property
    def begin(self) -> float:
        """When all streams have begun, seconds since the run began."""
        return max(float(track.time[0]) for track in self.tracks.values())

    @property
    def end(self) -> float:
        """When the first of them ends."""
        return min(float(track.time[-1]) for track in self.tracks.values())

    @property
    def seconds(self) -> float:
        """How long all streams go on together."""
        return max(self.end - self.begin, 0.0)

    def rows(self, first: float, last: float) -> Stretch | None:
        """Return the part between two times of the run; None if it is too short."""
        tracks = {}
        for stream, track in self.tracks.items():
            low, high = np.searchsorted(track.time, (first, last))
            values = {name: value[low:high] for name, value in track.values.items()}
            tracks[stream] = Track(track.time[low:high], values, track.first + int(low))
        if min(len(track.time) for track in tracks.values()) < LEAST:
            return None
        return Stretch(self.where, tracks, self.before + max(first - self.begin, 0.0))

    def pieces(self) -> Iterator[Stretch]:
        """Cut it into pieces of about PIECE rows at most."""
        count = -(-max(len(track.time) for track in self.tracks.values()) // PIECE)
        bounds = np.linspace(self.begin, self.end, count + 1)[1:-1]
        for first, last in pairwise((-np.inf, *bounds, np.inf)):
            if (piece := self.rows(first, last)) is not None:
                yield piece


def track_of(stretch: Stretch, column: str) -> tuple[Track, Array]:
    """Return the rows that a column is of, and its values (n,)."""
    for track in stretch.tracks.values():
        if column in track.values:
            return track, track.values[column]
    raise KeyError(column)


@dataclass
class Cuts:
    """What was cut and left out, which the check reports.

    Attributes:
        rows: read.
        repeated: rows at the time of the one before, which are left out.
        gaps: (where, row, seconds) of pauses.
        backwards: (where, row) at which time runs back.
        short: stretches that were left out.
        empty: runs without a row.
        columns: the first run that has these columns, by their full names.
        paces: median seconds between rows of the stream with the actions, by run.
        steps: (n,) seconds between rows of that stream.
    """

    rows: int = 0
    repeated: int = 0
    gaps: list[tuple[str, int, float]] = field(default_factory=list)
    backwards: list[tuple[str, int]] = field(default_factory=list)
    short: int = 0
    empty: list[str] = field(default_factory=list)
    columns: dict[frozenset[str], str] = field(default_factory=dict)
    paces: dict[str, float] = field(default_factory=dict)
    steps: list[Array] = field(default_factory=list)


def stretches(
    runs: Iterable[Run], log_map: LogMap, cuts: Cuts | None = None, rows: int = ROWS
) -> Iterator[Stretch]:
    """Read recordings stretch by stretch; none is longer than a block of `rows` rows.

    Raises:
        LogError: if a run lacks a column, or a number is not finite.
    """
    cuts, seconds = Cuts() if cuts is None else cuts, 0.0
    for run in runs:
        for stretch in _of_run(run, log_map, cuts, rows):
            yield replace(stretch, before=seconds)
            seconds += stretch.seconds


def _of_run(run: Run, log_map: LogMap, cuts: Cuts, rows: int) -> Iterator[Stretch]:
    located = log_map.located(run)
    cuts.columns.setdefault(frozenset(named(run)), run.name)
    # Actions set the pace of a model, whatever else is measured more often.
    first = log_map.actions[0].column if log_map.actions else next(iter(located))
    pacing, _ = located[first]
    streams = {stream for stream, _ in located.values()}
    names = {*located}
    parting = log_map.episodes.column
    times = {stream: time_of(run.columns[stream], log_map) for stream in streams}
    names |= {full(stream, name) for stream, name in times.items() if name}
    names |= {parting} if parting else set()
    factors = _factors(log_map)
    origin: int | None = None
    bounds = _bounds(run, log_map)
    for block in run.blocks(names, rows):
        if missing := streams - block.keys():
            raise LogError(
                f"{run.name}: nothing of {', '.join(sorted(missing))} for a long time, while other "
                "topics go on. Cut the recording there."
            )
        whole = {
            stream: nanoseconds(block[stream], times[stream], log_map, run) for stream in streams
        }
        if origin is None:
            origin = min(int(each[0]) for each in whole.values())
        tracks = {}
        for stream in streams:
            values = {
                full(stream, name): factors.get(full(stream, name), 1.0)
                * finite(column, f"{run.name}, column {full(stream, name)!r}", block[stream])
                for name, column in block[stream].columns.items()
                if full(stream, name) in located
            }
            seconds = (whole[stream] - origin) / 1e9
            marks = _marks(block[stream], parting, bounds)
            tracks[stream] = Track(seconds, values, block[stream].first), marks
        yield from _cut(run.name, tracks, pacing, log_map, cuts)
    if origin is None:
        cuts.empty.append(run.name)


def _cut(
    where: str,
    tracks: Mapping[str, tuple[Track, Array]],
    pacing: str,
    log_map: LogMap,
    cuts: Cuts,
) -> Iterator[Stretch]:
    """Cut a block where a stream pauses, runs back or begins another episode."""
    parts: dict[str, list[Track]] = {}
    for stream, (track, marks) in tracks.items():
        steps = np.diff(track.time)
        forward = steps[steps > 0]
        usual = float(np.median(forward)) if len(forward) else 0.0
        pause = log_map.time.gap or PAUSE * usual
        repeated = np.concatenate([[False], steps == 0]) & ~marks
        cuts.rows, cuts.repeated = cuts.rows + len(track.time), cuts.repeated + int(repeated.sum())
        kept = np.flatnonzero(~repeated)
        steps = np.diff(track.time[kept])
        if stream == pacing:
            cuts.paces.setdefault(where, usual)
            cuts.steps.append(steps[(steps > 0) & (steps <= pause)])
        for row in np.flatnonzero(steps > pause):
            cuts.gaps.append((where, track.first + int(kept[row + 1]), float(steps[row])))
        for row in np.flatnonzero((steps < 0) & ~marks[kept[1:]]):
            cuts.backwards.append((where, track.first + int(kept[row + 1])))
        breaks = np.flatnonzero((steps > pause) | (steps < 0) | marks[kept[1:]]) + 1
        parts[stream] = [
            Track(
                track.time[k], {n: v[k] for n, v in track.values.items()}, track.first + int(k[0])
            )
            for k in np.split(kept, breaks)
        ]
    if len(parts) == 1:
        ((stream, found),) = parts.items()
        joint: Iterable[Mapping[str, Track]] = ({stream: each} for each in found)
    else:
        joint = _together(where, parts)
    for each in joint:
        if min(len(track.time) for track in each.values()) < LEAST:
            cuts.short += 1
            continue
        yield Stretch(where, each)


def _together(where: str, parts: Mapping[str, list[Track]]) -> Iterator[Mapping[str, Track]]:
    """Give the times at which no stream pauses, with each stream's rows in them."""
    ranges = {name: (found[0].time[0], found[-1].time[-1]) for name, found in parts.items()}
    last, first = max(begin for begin, _ in ranges.values()), min(e for _, e in ranges.values())
    if last > first:
        told = "; ".join(f"{n} from {a:.6g} to {b:.6g} s" for n, (a, b) in ranges.items())
        raise LogError(
            f"{where} has two time bases, which do not overlap: {told}. Set [time] column = "
            '"log_time", or record all by one clock.'
        )
    spans = [(0.0, np.inf)]
    for found in parts.values():
        own = [(float(track.time[0]), float(track.time[-1])) for track in found]
        spans = [(max(a, c), min(b, d)) for a, b in spans for c, d in own if max(a, c) < min(b, d)]
    for begin, end in spans:
        together = {}
        for stream, found in parts.items():
            track = next(t for t in found if t.time[0] <= begin and end <= t.time[-1])
            # A row before and after, so that the ends can be interpolated.
            low = max(int(np.searchsorted(track.time, begin, "right")) - 1, 0)
            high = int(np.searchsorted(track.time, end, "left")) + 1
            values = {name: value[low:high] for name, value in track.values.items()}
            together[stream] = Track(track.time[low:high], values, track.first + low)
        yield together


def _marks(stream: Stream, parting: str | None, bounds: Array | None) -> Array:
    """Return which rows begin an episode, (n,) bool."""
    marks = np.zeros(len(stream), dtype=bool)
    if parting is not None and parting in stream.columns:
        marks[1:] |= np.diff(stream.columns[parting]) != 0
    if bounds is not None:
        inside = bounds[(bounds > stream.first) & (bounds < stream.first + len(stream))]
        marks[inside - stream.first] = True
    return marks


def _bounds(run: Run, log_map: LogMap) -> Array | None:
    """Return the rows of a run that begin episodes, by their lengths."""
    lengths = log_map.episodes.lengths
    if lengths is None:
        return None
    if lengths not in run.others:
        raise LogError(
            f"{run.name} has no array {lengths!r} of lengths, which the map names under "
            f"[episodes]. It has {', '.join(run.others) or 'none'} of other rows than the others."
        )
    return np.asarray(np.cumsum(run.whole(lengths)).astype(np.int64))


def _factors(log_map: LogMap) -> dict[str, float]:
    """Return what each column is multiplied by."""
    factors: dict[str, float] = {}
    for joint in log_map.joints:
        for column in filter(None, (joint.position, joint.velocity)):
            factors[column] = UNITS[joint.unit]
    for action in log_map.actions:
        factors[action.column] = UNITS.get(action.unit, 1.0)
    if (base := log_map.base) is not None:
        for column in (*(base.position or ()), *(base.linear_velocity or ())):
            factors[column] = UNITS[base.unit]
    return factors
