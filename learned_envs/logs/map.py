"""The map: what the columns of a robot's recordings mean, as a small TOML file.

name = "arm"

[time]
column = "t"
unit = "s"

[[joints]]
name = "shoulder"
position = "q_shoulder"
unit = "deg"

[[actions]]
column = "command_shoulder"
joint = "shoulder"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from learned_envs.errors import LogError
from learned_envs.logs.stream import Run, named, nearest
from learned_envs.schema import Positive, Word

UNITS = {"rad": 1.0, "deg": 0.017453292519943295, "m": 1.0, "cm": 0.01, "mm": 0.001}
"""What a number is multiplied by to be in radians or metres."""

TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Seconds of each unit of time."""

Unit = Literal["rad", "deg", "m", "cm", "mm"]
Columns3 = tuple[Word, Word, Word]
Columns4 = tuple[Word, Word, Word, Word]


class Strict(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Plain data whose keys are all known."""


class Time(Strict, kw_only=True, frozen=True):
    """When rows were measured.

    Attributes:
        column: seconds, or what `unit` says; None if rows are `dt` apart. Topics of ROS have their
            own `time` and `log_time`, so this is the name below the topic.
        unit: of the column.
        dt: seconds of a step of the model; if None, the median time between rows of the actions.
        gap: seconds; longer pauses end an episode. If None, five steps.
    """

    column: Word | None = None
    unit: Literal["s", "ms", "us", "ns"] = "s"
    dt: Positive | None = None
    gap: Positive | None = None


class Episodes(Strict, kw_only=True, frozen=True):
    """What bounds an episode, beside files and gaps.

    Attributes:
        column: another value begins another episode.
        lengths: an array of an archive that has the rows of each.
    """

    column: Word | None = None
    lengths: Word | None = None


class JointMap(Strict, kw_only=True, frozen=True):
    """A joint of one number.

    Attributes:
        name: as in the robot's MJCF or URDF, if there is one.
        position: its column.
        velocity: its column; None if it has none, and velocities are derived from positions.
        kind: how it moves.
        unit: of both columns; velocities are in it a second.
        limits: lowest and highest position, in `unit`; the MJCF's if there is one.
    """

    name: Word
    position: Word
    velocity: Word | None = None
    kind: Literal["hinge", "slide"] = "hinge"
    unit: Unit = "rad"
    limits: tuple[float, float] | None = None


class BaseMap(Strict, kw_only=True, frozen=True):
    """A body that moves freely.

    Attributes:
        name: of its free joint in the MJCF, if there is one.
        position: columns of x, y and z; None if nobody measures where it is.
        orientation: columns of a unit quaternion.
        order: of its numbers.
        linear_velocity: columns; None if they are derived.
        linear_frame: the axes that they are along.
        angular_velocity: columns, radians a second.
        angular_frame: the axes that they are along.
        unit: of positions.
    """

    name: Word = "base"
    position: Columns3 | None = None
    orientation: Columns4
    order: Literal["wxyz", "xyzw"] = "wxyz"
    linear_velocity: Columns3 | None = None
    linear_frame: Literal["world", "body"] = "world"
    angular_velocity: Columns3 | None = None
    angular_frame: Literal["world", "body"] = "body"
    unit: Literal["m", "cm", "mm"] = "m"


class ActionMap(Strict, kw_only=True, frozen=True):
    """One number of what the robot was told.

    Attributes:
        column: of it.
        actuator: its name in the MJCF; the one at this place if None.
        joint: the joint that it drives; None if that is unknown.
        low: the least that can be told; the least that was if None.
        high: the most; likewise.
        unit: of it; "1" leaves it as it is.
    """

    column: Word
    actuator: Word | None = None
    joint: Word | None = None
    low: float | None = None
    high: float | None = None
    unit: Literal["1", "rad", "deg", "m", "cm", "mm"] = "1"


class ObservedMap(Strict, kw_only=True, frozen=True):
    """One number that is measured and is no position or velocity: of an IMU, a current, a force.

    Attributes:
        column: of it.
        name: of it; the column's if None.
        state: whether the motion depends on it, so that it belongs to the model's state. Otherwise
            it is a sensor, which is predicted from the state.
    """

    column: Word
    name: Word | None = None
    state: bool = False


class LogMap(Strict, kw_only=True, frozen=True):
    """What the columns of recordings mean.

    Attributes:
        name: of the robot.
        time: when rows were measured.
        episodes: what bounds episodes.
        base: a body that moves freely, if there is one.
        joints: in the order of q.
        actions: in the order of an action.
        observed: what else is measured.
        delay: steps between an action and its effect; None if that is still to be found.
    """

    name: Word = "robot"
    time: Time = Time()
    episodes: Episodes = Episodes()
    base: BaseMap | None = None
    joints: tuple[JointMap, ...] = ()
    actions: tuple[ActionMap, ...] = ()
    observed: tuple[ObservedMap, ...] = ()
    delay: Annotated[int, Meta(ge=0, le=100)] | None = None

    def __post_init__(self) -> None:
        """Check that names are told apart, and that something moves.

        Raises:
            ValueError: if not; msgspec makes a ValidationError of it.
        """
        if not self.joints and self.base is None and not any(o.state for o in self.observed):
            raise ValueError("Got no [[joints]], no [base] and nothing observed with state = true")
        names = [joint.name for joint in self.joints]
        columns = [column for _, column in self.columns()]
        for what, given in (("joint", names), ("column", columns)):
            if twice := next((each for each in given if given.count(each) > 1), None):
                raise ValueError(f"Got the {what} {twice!r} twice")
        unknown = {a.joint for a in self.actions if a.joint} - {*names}
        if unknown:
            raise ValueError(f"Got actions of unknown joints: {', '.join(sorted(unknown))}")

    @classmethod
    def read(cls, path: Path) -> LogMap:
        """Read a file.

        Raises:
            LogError: if it is missing, no TOML, or says what a map cannot.
        """
        try:
            return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), cls)
        except FileNotFoundError:
            raise LogError(
                f"There is no map {path}. `learned-envs logs check RECORDINGS "
                f"--write-map {path}` writes one."
            ) from None
        except (
            OSError,
            tomllib.TOMLDecodeError,
            UnicodeDecodeError,
            msgspec.ValidationError,
        ) as error:
            raise LogError(f"{path} is no map: {error}. See docs/from_logs.md.") from error

    def columns(self) -> Iterator[tuple[str, str]]:
        """Give what each mapped column is, and its name; the time's is left out."""
        if (base := self.base) is not None:
            for axis, column in zip("xyz", base.position or (), strict=False):
                yield f"{base.name}.{axis}", column
            for part, column in zip(base.order, base.orientation, strict=True):
                yield f"{base.name}.q{part}", column
            for axis, column in zip("xyz", base.linear_velocity or (), strict=False):
                yield f"{base.name}.v{axis}", column
            for axis, column in zip("xyz", base.angular_velocity or (), strict=False):
                yield f"{base.name}.w{axis}", column
        for joint in self.joints:
            yield joint.name, joint.position
            if joint.velocity is not None:
                yield f"{joint.name}.velocity", joint.velocity
        for action in self.actions:
            yield f"action {action.column}", action.column
        for observed in self.observed:
            yield observed.name or observed.column, observed.column

    @property
    def readings(self) -> int:
        """How many numbers are measured that are not of the state."""
        return sum(not observed.state for observed in self.observed)

    def located(self, run: Run) -> dict[str, tuple[str, str]]:
        """Return where a run has each mapped column: its stream, and its name there.

        Raises:
            LogError: if it lacks one, or its time.
        """
        known = named(run)
        found = {}
        for what, column in self.columns():
            if column not in known:
                if (rows := run.others.get(column.partition("[")[0])) is not None:
                    raise LogError(
                        f"{run.name}: {column!r}, which the map names for {what}, has {rows} rows, "
                        "unlike the rest: it has another time base. Resample it, or give it a file "
                        "of its own."
                    )
                raise LogError(
                    f"{run.name} has no column {column!r}, which the map names for {what}. "
                    f"{nearest(column, known)}"
                )
            found[column] = known[column]
        for stream in {stream for stream, _ in found.values()}:
            names = run.columns[stream]
            if self.time.column is not None and self.time.column not in names:
                raise LogError(
                    f"{run.name} has no column {self.time.column!r}, which the map names for the "
                    f"time{f' of {stream}' if stream else ''}. {nearest(self.time.column, names)}"
                )
        return found
