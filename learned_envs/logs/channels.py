"""What each column of recordings looks like by itself: its range, and where it stands still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from learned_envs.logs.finding import Finding
from learned_envs.logs.map import LogMap
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch, track_of

STUCK = 1.0
"""Seconds without a change while other channels move."""

CLIPPED = 0.02
"""Share of the rows at one end of the range."""

TURN = 2.0 * np.pi

FASTEST = 20.0
"""Radians a second, on average, that no joint of a robot turns at: these are degrees."""


@dataclass
class Channel:
    """What is known of a column, gathered over all rows.

    Attributes:
        name: of the column.
        rows: how many.
        low: the least value, in radians or metres.
        high: the largest.
        total: sum of the values.
        squares: of their squares.
        at_low: rows at the least value so far.
        at_high: rows at the largest so far.
        jumps: of about a whole turn.
        moved: way in all, without jumps.
        seconds: in all.
        stuck: longest time without a change, seconds, and where it began.
    """

    name: str
    rows: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    squares: float = 0.0
    at_low: int = 0
    at_high: int = 0
    jumps: int = 0
    moved: float = 0.0
    seconds: float = 0.0
    stuck: tuple[float, str] = (0.0, "")

    @property
    def mean(self) -> float:
        """Of all values."""
        return self.total / max(self.rows, 1)

    @property
    def spread(self) -> float:
        """Standard deviation of all values."""
        return float(np.sqrt(max(self.squares / max(self.rows, 1) - self.mean**2, 0.0)))

    def add(self, time: Array, values: Array, where: str, first: int) -> None:
        """Take rows."""
        low, high = float(values.min()), float(values.max())
        if low < self.low:
            self.low, self.at_low = low, 0
        if high > self.high:
            self.high, self.at_high = high, 0
        self.at_low += int((values == self.low).sum())
        self.at_high += int((values == self.high).sum())
        self.rows += len(values)
        self.total += float(values.sum())
        self.squares += float(np.square(values).sum())
        steps = np.abs(np.diff(values))
        turned = np.abs(steps - TURN) < 0.1 * TURN
        self.jumps += int(turned.sum())
        self.moved += float(steps[~turned].sum())
        self.seconds += float(time[-1] - time[0])
        # Rows at which a value is another than before, with both ends.
        changes = np.concatenate([[0], np.flatnonzero(steps > 0) + 1, [len(values) - 1]])
        still = np.diff(time[changes])
        longest = int(still.argmax()) if len(still) else 0
        if len(still) and still[longest] > self.stuck[0]:
            self.stuck = float(still[longest]), f"{where}, row {first + changes[longest]}"


@dataclass
class Channels:
    """All mapped columns.

    Attributes:
        log_map: what they mean.
        known: by name.
        stretches: how many.
        seconds: of all together.
        ranges: least and largest value of joints and actions, by column and by recording.
    """

    log_map: LogMap
    known: dict[str, Channel] = field(default_factory=dict)
    stretches: int = 0
    seconds: float = 0.0
    ranges: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    def watch(self, found: Iterable[Stretch]) -> Iterator[Stretch]:
        """Hand stretches on, and take what they hold."""
        joints = {joint.position for joint in self.log_map.joints}
        moving = joints | {action.column for action in self.log_map.actions}
        for stretch in found:
            self.stretches += 1
            self.seconds += stretch.seconds
            for _, column in self.log_map.columns():
                track, values = track_of(stretch, column)
                channel = self.known.setdefault(column, Channel(column))
                channel.add(track.time, values, stretch.where, track.first)
                if column in moving:
                    ranges = self.ranges.setdefault(column, {})
                    low, high = ranges.get(stretch.where, (np.inf, -np.inf))
                    own = min(low, float(values.min())), max(high, float(values.max()))
                    ranges[stretch.where] = own
            yield stretch

    def findings(self) -> Iterator[Finding]:
        """Say what is wrong with single columns."""
        acted = {action.column for action in self.log_map.actions}
        hinges = {j.position: j for j in self.log_map.joints if j.kind == "hinge"}
        for name, channel in self.known.items():
            if channel.low == channel.high:
                level = "error" if name in acted or name in hinges else "warning"
                yield Finding(
                    level,  # type: ignore[arg-type]
                    name,
                    f"never moves: it is {channel.low:g} in all {channel.rows:,} rows",
                    "take it out of the map, or record with it in use",
                )
                continue
            yield from self._ends(channel, name in acted)
            if channel.stuck[0] > STUCK and name not in acted:
                yield Finding(
                    "warning",
                    name,
                    f"does not change for {channel.stuck[0]:.2f} s, from {channel.stuck[1]} on",
                    "see whether the sensor hung there; leave these rows out",
                )
            if name in hinges:
                yield from self._angle(channel, hinges[name].unit)

    def _ends(self, channel: Channel, acted: bool) -> Iterator[Finding]:
        for end, rows in (("least", channel.at_low), ("largest", channel.at_high)):
            share = rows / channel.rows
            if share > CLIPPED and rows > 10:
                value = channel.low if end == "least" else channel.high
                yield Finding(
                    "note" if acted else "warning",
                    channel.name,
                    f"is at its {end} value, {value:.4g}, in {share:.0%} of the rows",
                    "" if acted else "see whether the sensor's range ends there",
                )

    def _angle(self, channel: Channel, unit: str) -> Iterator[Finding]:
        if channel.jumps:
            yield Finding(
                "mended", channel.name, f"jumps by a whole turn {channel.jumps} times: unwrapped"
            )
        reach, pace = max(abs(channel.low), abs(channel.high)), channel.moved / channel.seconds
        if unit == "rad" and reach > np.pi and pace > FASTEST:
            yield Finding(
                "error",
                channel.name,
                f"goes from {channel.low:.4g} to {channel.high:.4g}, at {pace:.3g} a second on "
                "average, which looks like degrees",
                'set unit = "deg"',
            )
