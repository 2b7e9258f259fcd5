"""Text with a header: CSV, TSV, and other tables with a delimiter."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.stream import ROWS, Array, Block, Run, Stream

ENDINGS = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t "
SNIFFED = 16_384
"""Characters that the delimiter is found in."""


def recognises(path: Path) -> bool:
    """Return whether a file's name ends like one of text."""
    return path.is_file() and path.suffix.lower() in ENDINGS


def runs(path: Path) -> Iterator[Table]:
    """Open a file: it is one run."""
    yield Table(path)


@dataclass(frozen=True)
class Table(Run):
    """A file of text, one row a line below a header."""

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The header's names."""
        return {"": self._header[1]}

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        delimiter, header = self._header
        kept = [name for name in header if name in set(names)]
        places = [header.index(name) for name in kept]
        first = 0
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            next(file)
            while lines := [line for line in islice(file, rows) if line.strip()]:
                found = self._read(lines, delimiter, places, header, first)
                columns = dict(zip(kept, found.T, strict=True))
                yield {"": Stream(columns, first)}
                first += len(lines)

    def _read(
        self, lines: list[str], delimiter: str, places: list[int], header: tuple[str, ...], at: int
    ) -> Array:
        counts = {line.count(delimiter) for line in lines}
        # A quoted name may hold a delimiter.
        if counts == {len(header) - 1} or any('"' in line for line in lines):
            with suppress(ValueError):
                return np.loadtxt(
                    lines,
                    delimiter=delimiter,
                    usecols=places,
                    quotechar='"',
                    comments=None,
                    ndmin=2,
                )
        # What numpy says names neither the file nor the column.
        for row, cells in enumerate(csv.reader(lines, delimiter=delimiter)):
            if len(cells) != len(header):
                raise LogError(
                    f"{self.path}, row {at + row}: got {len(cells)} cells, expected "
                    f"{len(header)} as in the header. Mend or remove the row."
                )
            for place in places:
                try:
                    float(cells[place])
                except ValueError:
                    raise LogError(
                        f"{self.path}, column {header[place]!r}, row {at + row}: got "
                        f"{cells[place]!r:.60}, expected a number. Mend or remove the row, or take "
                        "the column out of the map."
                    ) from None
        raise LogError(f"{self.path} cannot be read near row {at}. Save it anew as CSV.")

    @cached_property
    def _header(self) -> tuple[str, tuple[str, ...]]:
        """The delimiter, and the names of the columns."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                text = file.read(SNIFFED)
        except (OSError, UnicodeDecodeError) as error:
            raise LogError(
                f"{self.path} cannot be read: {error}. Expected text in UTF-8."
            ) from error
        line = text.partition("\n")[0].strip()
        delimiter = max(DELIMITERS, key=line.count)
        names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), []))
        if not names or any(_is_number(name) for name in names):
            raise LogError(
                f"{self.path} has no header: its first line is {line!r:.80}. Write the names of "
                "the columns there."
            )
        if len({*names}) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise LogError(f"{self.path} has two columns {twice!r}. Give each its own name.")
        return delimiter, names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
