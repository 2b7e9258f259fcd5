"""When rows were measured, by the clock that the map names."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.formats.messages import LOGGED, TIME
from learned_envs.logs.map import TIMES, LogMap
from learned_envs.logs.stream import Array, Run, Stream


def time_of(columns: Collection[str], log_map: LogMap) -> str | None:
    """Return which of a stream's columns is its time: topics of ROS have their own."""
    if log_map.time.column is not None:
        return log_map.time.column
    return TIME if TIME in columns and log_map.time.dt is None else None


def nanoseconds(stream: Stream, named: str | None, log_map: LogMap, run: Run) -> Array:
    """Return when rows were measured, (n,) int64."""
    time = log_map.time
    if named is None:
        if time.dt is None:
            raise LogError(
                f"The map names no time, and no dt. {run.name} has "
                f"{', '.join(map(repr, stream.columns))}. Give [time] column, or dt in seconds."
            )
        rows = np.arange(stream.first, stream.first + len(stream))
        return np.round(rows * (time.dt * 1e9)).astype(np.int64)
    values = stream.columns[named]
    whole = values.dtype.kind == "i"
    scale = TIMES["ns" if whole and named in (TIME, LOGGED) else time.unit] * 1e9
    found = finite(values, f"{run.name}, column {named!r}", stream)
    return found if scale == 1.0 and whole else np.round(found * scale).astype(np.int64)


def finite(values: Array, where: str, stream: Stream) -> Array:
    """Return a column's values if all of them are finite.

    Raises:
        LogError: otherwise; `where` names file and column.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LogError(
            f"{where}, row {stream.first + bad[0]}: got {values[bad[0]]}, and {len(bad) - 1} more "
            "like it; expected finite numbers. Leave these rows out: a gap ends an episode."
        )
    return values
