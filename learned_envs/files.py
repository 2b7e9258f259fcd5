"""How files get to a disk, whole or not at all, and what is seen of one before it is read."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from learned_envs.errors import LearnedEnvsError, OutputError

UNFINISHED = ".tmp"
"""Ends the name of a half-written file. If a kill leaves one, the next try replaces it."""

LONGEST_HEADER = 16 * 2**20
"""Bytes of the header of a safetensors file; the longest of the package has some 20,000."""

LONGEST_WEIGHTS = 512 * 2**20
"""Bytes of weights that come from elsewhere; the longest of the package have 3 million."""

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError)
"""What reading a zip raises if it is damaged, or packed in a way that is not known."""


@contextmanager
def writing(path: Path, advice: str = "Free space or give another path.") -> Iterator[None]:
    """Name what could not be written, if a block that writes it fails.

    Args:
        path: what the block writes.
        advice: what to do then.

    Raises:
        OutputError: if the block raises an OSError that is not of this package.
    """
    try:
        yield
    except LearnedEnvsError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error}. {advice}") from error


def write_whole(file: Path, data: bytes, advice: str = "free space or give another path") -> None:
    """Write a file whole or not at all. Its folder is made if there is none.

    Args:
        file: where to.
        data: the whole content.
        advice: what to do if it cannot be written.

    Raises:
        OutputError: if it cannot be written; what was there before still is, and nothing else.
    """
    unfinished = file.with_name(file.name + UNFINISHED)
    made: list[Path] = []
    try:
        made = [folder for folder in file.parents if not folder.exists()]
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        unfinished.replace(file)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise OutputError(
            f"Cannot write {file}: {error}. What was there before is kept; {advice}."
        ) from error


def write_folder(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files into a folder. A new folder gets all or none, an old one each file whole.

    Args:
        folder: where to.
        files: the whole content of each, by name; None removes the file.

    Raises:
        OutputError: if they cannot be written.
    """
    home = folder if folder.exists() else folder.with_name(folder.name + UNFINISHED)
    with writing(folder):
        if home != folder and home.exists():
            shutil.rmtree(home)
        for name, data in files.items():
            if data is None:
                (home / name).unlink(missing_ok=True)
            else:
                write_whole(home / name, data)
        if home != folder:
            home.rename(folder)


def check_header(path: Path) -> None:
    """Check that a safetensors file begins with a header of a size that can be.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it has none, or one that is too long.
    """
    with path.open("rb") as file:
        told = int.from_bytes(file.read(8), "little")
    if told > min(LONGEST_HEADER, path.stat().st_size):
        raise ValueError(f"its header has {told:,} bytes, expected at most {LONGEST_HEADER:,}")
