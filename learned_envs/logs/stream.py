"""Recordings as their files hold them: runs of named columns, which are read block by block.

A *run* is a file, or one of the episodes that a file holds. A *stream* is what shares one time
base: a table, or a topic of ROS. A *column* is one number of each row; its full name begins with
its stream's, if that has one: `/joint_states/position[hip]`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from learned_envs.errors import LogError

Array = npt.NDArray[Any]
T = TypeVar("T")

ROWS = 100_000
"""Rows of a block. A row of fifty numbers takes 40 MB then."""

NEAREST = 3
"""Names that a message suggests."""


@dataclass(frozen=True)
class Stream:
    """Rows of one time base.

    Attributes:
        columns: (n,) each, by name: float64, or int64 for whole numbers such as nanoseconds.
        first: which row of the run the first of them is.
    """

    columns: Mapping[str, Array]
    first: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))


Block = Mapping[str, Stream]
"""Rows of all streams, by name, that span about the same time."""


class Run(ABC):
    """One recording: a file, or one of the episodes that it holds."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How messages name it: the file, and the episode in it."""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the columns of each stream."""

    @abstractmethod
    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns of these full names, in blocks of about so many rows.

        Raises:
            LogError: if the file is broken, or one of them does not hold numbers.
        """

    @property
    def others(self) -> Mapping[str, int]:
        """Arrays beside the columns that have other rows: name -> how many."""
        return {}

    def whole(self, name: str) -> Array:
        """Read one of these at once, such as the lengths of episodes."""
        raise KeyError(name)


class Format(Protocol):
    """What the module of a format offers."""

    def recognises(self, path: Path) -> bool:
        """Return whether what lies at a path is of this format."""

    def runs(self, path: Path) -> Iterator[Run]:
        """Open what lies there, run by run.

        Raises:
            LogError: if it is broken.
            DependencyError: if a library that reads it is not installed.
        """


def full(stream: str, column: str) -> str:
    """Return a column's full name."""
    return f"{stream}/{column}" if stream else column


def named(run: Run) -> dict[str, tuple[str, str]]:
    """Return stream and name of each of a run's columns, by full name."""
    return {
        full(stream, column): (stream, column)
        for stream, columns in run.columns.items()
        for column in columns
    }


def chosen(known: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    """Return what is known of the columns that are named, in its own order."""
    wanted = {*names}
    return {name: value for name, value in known.items() if name in wanted}


def nearest(name: str, known: Collection[str]) -> str:
    """Return a sentence with the known names that are most like one that is not known."""
    close = get_close_matches(name, known, NEAREST, 0.4)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return f"It has {', '.join(map(repr, sorted(known)[:20]))}{' ...' if len(known) > 20 else ''}."


def numbers(values: Any, where: str, first: int = 0) -> Array:
    """Return a column's values as float64, or int64 if they are whole numbers, (n,).

    Raises:
        LogError: if they are no numbers; `where` names file and column, and the row is added.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind in "bf":
        return array.astype(np.float64)
    for row, value in enumerate(array.tolist()):
        try:
            float(value)
        except (TypeError, ValueError):
            raise LogError(
                f"{where}, row {first + row}: got {value!r:.60}, expected a number. Take the "
                "column out of the map, or mend the file."
            ) from None
    return array.astype(np.float64)


def spread_out(name: str, width: int, names: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names of the columns that an array of several numbers a row is.

    Examples:
        >>> spread_out("q", 2), spread_out("q", 2, ["hip", "knee"])
        (('q[0]', 'q[1]'), ('q[hip]', 'q[knee]'))
    """
    known = [*names] if len(names) == width else [*map(str, range(width))]
    return tuple(f"{name}[{each}]" for each in known)
