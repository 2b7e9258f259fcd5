"""HDF5 files, among them those of robomimic, whose episodes are the groups `data/demo_0` and on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs.errors import DependencyError, LogError
from learned_envs.logs.stream import ROWS, Array, Block, Run, Stream, chosen, numbers, spread_out

ENDINGS = (".h5", ".hdf5")
DEMOS = "data"
"""The group in which robomimic has its episodes."""


def recognises(path: Path) -> bool:
    """Return whether a file's name ends like one of HDF5."""
    return path.is_file() and path.suffix.lower() in ENDINGS


def runs(path: Path) -> Iterator[Group]:
    """Open a file: its episodes if it is robomimic's, or else the whole file."""
    with opened(path) as file:
        demos = file.get(DEMOS)
        is_group = hasattr(demos, "keys")
        names = [name for name in demos if name.startswith("demo")] if is_group else []
    # demo_10 comes after demo_9.
    for name in sorted(names, key=lambda name: (len(name), name)):
        yield Group(path, f"{DEMOS}/{name}")
    if not names:
        yield Group(path, "/")


@dataclass(frozen=True)
class Group(Run):
    """A group whose datasets have one row a sample, in it or in groups below."""

    path: Path
    group: str

    @property
    def name(self) -> str:
        """The file, and the group if it is not the whole one."""
        return str(self.path) if self.group == "/" else f"{self.path}:{self.group}"

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The datasets; one of several numbers a row is several."""
        return {"": tuple(self._places)}

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        wanted = chosen(self._places, names)
        with opened(self.path) as file:
            group = file[self.group]
            datasets = {name: group[name] for name in {name for name, _ in wanted.values()}}
            for first in range(0, self._rows, rows):
                last = min(first + rows, self._rows)
                try:
                    read = {
                        name: data[first:last].reshape(last - first, -1)
                        for name, data in datasets.items()
                    }
                except OSError as error:
                    raise LogError(f"{self.name} is broken near row {first}: {error}") from error
                found = {
                    name: numbers(read[data][:, place], f"{self.name}, column {name!r}", first)
                    for name, (data, place) in wanted.items()
                }
                yield {"": Stream(found, first)}

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}

        def visit(name: str, item: Any) -> None:
            if getattr(item, "shape", ()) and item.dtype.kind in "biuf":
                shapes[name] = tuple(item.shape)

        with opened(self.path) as file:
            file[self.group].visititems(visit)
        return shapes

    @property
    def others(self) -> Mapping[str, int]:
        """The datasets that have other rows: name -> how many."""
        return {name: shape[0] for name, shape in self._shapes.items() if shape[0] != self._rows}

    def whole(self, name: str) -> Array:
        """Read one of these; see `Run`."""
        with opened(self.path) as file:
            return np.asarray(file[self.group][name][:])

    @property
    def _rows(self) -> int:
        """Of most datasets; robomimic's have as many."""
        counts = [shape[0] for shape in self._shapes.values()]
        return max({*counts}, key=lambda rows: (counts.count(rows), rows), default=0)

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        places: dict[str, tuple[str, int]] = {}
        for name, shape in self._shapes.items():
            # Pictures are not read.
            if shape[0] != self._rows or len(shape) > 2:
                continue
            spread = (name,) if len(shape) == 1 else spread_out(name, shape[1])
            places |= {each: (name, place) for place, each in enumerate(spread)}
        return places


def opened(path: Path) -> Any:
    """Open a file to read.

    Raises:
        LogError: if it is broken.
        DependencyError: if h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise DependencyError('HDF5 needs h5py: pip install "learned-envs[logs]".') from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise LogError(f"{path} is no whole HDF5 file: {error}. Copy it anew.") from error
