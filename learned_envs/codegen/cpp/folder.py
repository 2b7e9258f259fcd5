"""A folder in the user's cache that nobody else can write to, and files that are whole."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


class UnsafeFolderError(OSError):
    """A folder that others can write to."""


def cache_folder() -> Path:
    """Return the folder of native code, made if there is none.

    It lies in the user's cache folder, which XDG_CACHE_HOME may name.

    Raises:
        UnsafeFolderError: if others can write to it, or replace it.
        OSError: if it cannot be made.
    """
    home = user_cache_path("learned_envs", appauthor=False)
    home.parent.mkdir(parents=True, exist_ok=True)
    # What lies above may be a link of the user's: from here on, to where it leads.
    folder = home.parent.resolve() / home.name / "native"
    for made in (folder.parent, folder):
        with suppress(FileExistsError):
            made.mkdir(mode=0o700)
        _expect_own(made)
    for above in folder.parent.parents:
        _expect_kept(above)
    return folder


def kept(folder: Path, key: str) -> bytes | None:
    """Return the library that is kept under a key, as bytes; None if there is none that is whole.

    Its name holds the digest of its bytes. What does not match, is a link or could be written by
    others is removed.
    """
    for file in sorted(folder.glob(f"{key}-*.so")):
        try:
            data = _read(file)
            if file.name == name_of(key, data):
                return data
        except OSError:
            pass
        with suppress(OSError):
            file.unlink()
    return None


def keep(folder: Path, key: str, data: bytes) -> None:
    """Write a new library where `kept` finds it, whole or not at all.

    What a killed process left half-written under the key goes.
    """
    file = folder / name_of(key, data)
    for left in folder.glob(f"{key}-*.tmp"):
        left.unlink(missing_ok=True)
    unfinished = folder / f"{file.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def name_of(key: str, data: bytes) -> str:
    """Return the name of a library's file."""
    return f"{key}-{hashlib.sha256(data).hexdigest()[:32]}.so"


def _read(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or not _is_own(about):
            raise UnsafeFolderError(
                f"{file} is not the user's own file, or others can write to it."
            )
        return stream.read()


def _expect_own(folder: Path) -> None:
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or not _is_own(about):
        raise UnsafeFolderError(
            f"{folder} is not the user's own folder, or others can write to it."
        )


def _expect_kept(folder: Path) -> None:
    """Check that nobody else can replace what is the user's in a folder."""
    about = folder.stat()
    theirs = hasattr(os, "geteuid") and about.st_uid not in (os.geteuid(), 0)
    if theirs or (about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX):
        raise UnsafeFolderError(f"Others than the user can change {folder}.")


def _is_own(about: os.stat_result) -> bool:
    mine = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    return mine and not about.st_mode & 0o022
