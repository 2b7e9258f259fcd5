"""Archives of numpy arrays, which are read without being unpacked as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.stream import ROWS, Array, Block, Run, Stream, chosen, numbers, spread_out

Shape = tuple[tuple[int, ...], np.dtype[np.generic]]


def recognises(path: Path) -> bool:
    """Return whether a file's name ends like an archive's."""
    return path.is_file() and path.suffix.lower() == ".npz"


def runs(path: Path) -> Iterator[Archive]:
    """Open an archive: it is one run."""
    yield Archive(path)


@dataclass(frozen=True)
class Archive(Run):
    """An archive whose longest arrays have one row a sample."""

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The arrays; one of several numbers a row is several."""
        return {"": tuple(self._places)}

    @property
    def others(self) -> Mapping[str, int]:
        """The arrays that have other rows: name -> how many."""
        shapes = {name: shape for name, (shape, _) in self._shapes.items() if shape}
        return {name: shape[0] for name, shape in shapes.items() if shape[0] != self._rows}

    def whole(self, name: str) -> Array:
        """Read one of these; see `Run`."""
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        wanted = chosen(self._places, names)
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            files = {
                array: _at_data(stack.enter_context(archive.open(f"{array}.npy")))
                for array in {array for array, _ in wanted.values()}
            }
            for first in range(0, self._rows, rows):
                count = min(rows, self._rows - first)
                try:
                    read = {n: self._rows_of(n, file, count) for n, file in files.items()}
                except (zipfile.BadZipFile, EOFError, ValueError) as error:
                    raise LogError(f"{self.path} is broken near row {first}: {error}") from error
                found = {
                    name: numbers(read[array][:, place], f"{self.path}, column {name!r}", first)
                    for name, (array, place) in wanted.items()
                }
                yield {"": Stream(found, first)}

    def _rows_of(self, array: str, file: IO[bytes], count: int) -> Array:
        shape, dtype = self._shapes[array]
        width = int(np.prod(shape[1:]))
        data = file.read(count * width * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(count, width)

    @property
    def _rows(self) -> int:
        """Of the longest array."""
        return max((shape[0] for shape, _ in self._shapes.values() if shape), default=0)

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """Which array each name is, and which of its numbers."""
        places: dict[str, tuple[str, int]] = {}
        for array, (shape, dtype) in self._shapes.items():
            if shape[:1] != (self._rows,) or dtype.kind not in "biuf":
                continue
            width = int(np.prod(shape[1:]))
            spread = (array,) if len(shape) == 1 else spread_out(array, width)
            places |= {name: (array, place) for place, name in enumerate(spread)}
        return places

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        """Shape and type of each array, from their headers alone."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                shapes = {}
                for name in names:
                    with archive.open(name) as file:
                        shapes[name.removesuffix(".npy")] = _header(file)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise LogError(f"{self.path} is no whole .npz file: {error}. Save it anew.") from error
        return shapes


def _header(file: IO[bytes]) -> Shape:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if fortran and len(shape) > 1:
        raise ValueError("an array lies column by column (numpy.ascontiguousarray mends that)")
    return shape, dtype


def _at_data(file: IO[bytes]) -> IO[bytes]:
    _header(file)
    return file
