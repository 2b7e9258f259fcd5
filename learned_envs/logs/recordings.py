"""What lies at a path: runs, in whichever formats they are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from learned_envs.errors import LogError
from learned_envs.logs.stream import Format, Run

FORMATS = (
    "learned_envs.logs.formats.parquet",
    "learned_envs.logs.formats.rosbag",
    "learned_envs.logs.formats.minari",
    "learned_envs.logs.formats.delimited",
    "learned_envs.logs.formats.npz",
    "learned_envs.logs.formats.hdf5",
    "learned_envs.logs.formats.mcap",
)
"""Modules of the formats, one for each. Folders that are of one format come first."""

OTHERS = (".json", ".toml", ".md", ".yaml", ".png", ".mp4", ".xml", ".urdf", ".stl", ".obj")
"""Endings of what may lie beside recordings."""


def open_runs(path: Path) -> Iterator[Run]:
    """Open all recordings at a path, by name: a file, a folder of one format, or one of files.

    Raises:
        LogError: if there is none, or a file is of no known format.
    """
    found = False
    for place in _places(path):
        found = True
        yield from _format(place).runs(place)
    if not found:
        raise LogError(f"{path} holds no recording. Expected files of {_endings()}.")


def _places(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise LogError(f"There is no file or folder {path}. Give the path of recordings.")
    if path.is_file() or any(each.recognises(path) for each in _formats()):
        yield path
        return
    for below in sorted(path.iterdir()):
        read = below.is_dir() or below.suffix.lower() not in OTHERS
        if read and not below.name.startswith("."):
            yield from _places(below)


def _formats() -> list[Format]:
    return [importlib.import_module(name) for name in FORMATS]


def _format(path: Path) -> Format:
    for each in _formats():
        if each.recognises(path):
            return each
    raise LogError(
        f"{path} is of no format that is read here. Expected {_endings()}; move other files away."
    )


def _endings() -> str:
    return "CSV, TSV, Parquet, NPZ, HDF5, MCAP or .bag, or folders of LeRobot, ROS 2 or Minari"
