"""Parquet files, and folders of LeRobot, which keep their episodes in such files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs.errors import DependencyError, LogError
from learned_envs.logs.stream import ROWS, Array, Block, Run, Stream, chosen, numbers, spread_out

INFO = Path("meta") / "info.json"
"""What says of a LeRobot folder what its columns are."""


def recognises(path: Path) -> bool:
    """Return whether it is a Parquet file or a folder of LeRobot's."""
    return (path / INFO).is_file() or (path.is_file() and path.suffix.lower() == ".parquet")


def runs(path: Path) -> Iterator[ParquetRun]:
    """Open a file, or the files of a folder: each is a run, whose episodes a column tells apart."""
    if path.is_file():
        yield ParquetRun(path)
        return
    files = sorted((path / "data").rglob("*.parquet"))
    if not files:
        raise LogError(f"{path} holds {INFO} and no Parquet file below data. Copy it whole.")
    names = _names(path / INFO)
    for file in files:
        yield ParquetRun(file, names)


@dataclass(frozen=True)
class ParquetRun(Run):
    """A Parquet file.

    Attributes:
        path: of it.
        names: of the numbers of columns that hold several a row.
    """

    path: Path
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of numbers; one of several a row is several."""
        return {"": tuple(self._places)}

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        wanted = chosen(self._places, names)
        kept = sorted({column for column, _ in wanted.values()})
        first = 0
        try:
            for batch in self._file.iter_batches(rows, columns=kept):
                found = {}
                for name, (column, place) in wanted.items():
                    values = _values(batch.column(column), place, self.path, column, first)
                    found[name] = numbers(values, f"{self.path}, column {name!r}", first)
                yield {"": Stream(found, first)}
                first += len(batch)
        except OSError as error:
            raise LogError(f"{self.path} is broken after row {first}: {error}") from error

    @cached_property
    def _file(self) -> Any:
        parquet = _library()
        try:
            return parquet.ParquetFile(self.path)
        except (OSError, ValueError) as error:
            raise LogError(
                f"{self.path} is no whole Parquet file: {str(error).rstrip('.')}. Copy it anew."
            ) from error

    @cached_property
    def _places(self) -> dict[str, tuple[str, int | None]]:
        """Which column each name is, and which of its numbers."""
        import pyarrow.types as types

        places: dict[str, tuple[str, int | None]] = {}
        for column in self._file.schema_arrow:
            kind = column.type
            if types.is_fixed_size_list(kind) or types.is_list(kind):
                width = self._width(column.name)
                spread = spread_out(column.name, width, self.names.get(column.name, ()))
                places |= {name: (column.name, place) for place, name in enumerate(spread)}
            elif not types.is_nested(kind):
                places[column.name] = (column.name, None)
        return places

    def _width(self, column: str) -> int:
        for batch in self._file.iter_batches(1, columns=[column]):
            return len(batch.column(column)[0].as_py() or ())
        return 0


def _values(column: Any, place: int | None, path: Path, name: str, first: int) -> Array:
    if place is None:
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise LogError(
                f"{path}, column {name!r}, row {first + row}: got nothing, expected a number. "
                "Mend or remove the row."
            )
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = np.asarray(column.flatten().to_numpy(zero_copy_only=False))
    if len(flat) % len(column) or len(flat) // len(column) <= place:
        raise LogError(f"{path}, column {name!r} holds rows of different lengths. Pad them.")
    return np.asarray(flat.reshape(len(column), -1)[:, place])


def _names(info: Path) -> dict[str, Sequence[str]]:
    """Read what LeRobot calls the numbers of its features: a list, or lists by kind."""
    try:
        features = json.loads(info.read_text())["features"]
        named = {name: feature.get("names") for name, feature in features.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise LogError(f"{info} does not say its features: {error!r}. Copy it anew.") from error
    found: dict[str, Sequence[str]] = {}
    for name, given in named.items():
        if isinstance(given, dict):
            given = [each for part in given.values() if isinstance(part, list) for each in part]
        if isinstance(given, list):
            found[name] = [str(each) for each in given]
    return found


def _library() -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DependencyError('Parquet needs pyarrow: pip install "learned-envs[logs]".') from error
    return parquet
