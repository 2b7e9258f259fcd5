"""Minari itself, and the places where it keeps datasets."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from learned_envs.errors import DatasetError, DependencyError

SCHEME = "minari:"
"""Begins a name that is an id in any case, and no path."""

ROOT = "MINARI_DATASETS_PATH"
"""The environment variable that moves Minari's root."""

ID = re.compile(r"(?:[-\w][-\w/]*[-\w]/)?[-\w]+?-v\d+")
"""An id as Minari takes it: `(namespace/)name-vN`."""

METADATA = "metadata.json"
HDF5 = "main_data.hdf5"

READ_ALL = """
import sys, h5py
def read(name, item):
    dict(item.attrs)
    if isinstance(item, h5py.Dataset):
        item[()]
with h5py.File(sys.argv[1]) as file:
    dict(file.attrs)
    file.visititems(read)
"""
"""What reads all of an HDF5 file."""


def load_minari() -> Any:
    """Import Minari.

    Raises:
        DependencyError: if it is not installed.
    """
    try:
        return importlib.import_module("minari")
    except ImportError as error:
        raise missing(error) from error


def expect_whole(folder: Path) -> None:
    """Read a dataset's HDF5 file in a process of its own, since a damaged one may end it.

    Raises:
        DatasetError: if that happens. Other errors are left to who reads it next.
    """
    file = folder / HDF5
    if file.is_file() and sys.platform != "win32":
        command = [sys.executable, "-c", READ_ALL, os.fspath(file)]
        # A process that a signal ends says so by a negative number.
        if (code := subprocess.run(command, capture_output=True, check=False).returncode) < 0:
            raise DatasetError(
                f"{file} is damaged: the HDF5 library fails on it ({signal.strsignal(-code)}). "
                "Restore it from a copy, or download or record it anew."
            )


def missing(error: ImportError) -> DependencyError:
    """Return the error that says how to install Minari, or what it needs to read a format."""
    return DependencyError(
        f"This Minari dataset needs an optional extra ({error}): "
        'pip install "learned-envs[minari]" or, for arrow and parquet, "minari[arrow]".'
    )


def root() -> Path:
    """Return the folder below which Minari keeps datasets by their ids."""
    return Path(os.environ.get(ROOT) or Path.home() / ".minari" / "datasets")


def id_of(name: str | os.PathLike[str]) -> str | None:
    """Return the id that a name is or begins with `minari:`; None if it can only be a path."""
    text = os.fspath(name).removeprefix(SCHEME)
    return text if ID.fullmatch(text) else None


def find_data(name: str | os.PathLike[str]) -> Path | None:
    """Return the folder of a dataset's data; None if there is none.

    Args:
        name: the dataset's directory, or the `data` in it, or else its id below Minari's root.
    """
    identity, place = id_of(name), Path(name)
    # Nothing has a name that the file system refuses.
    with suppress(OSError):
        if identity is not None and not place.exists():
            place = root() / identity
        for folder in (place, place / "data"):
            if any((folder / file).is_file() for file in (METADATA, HDF5)):
                return folder
    return None
