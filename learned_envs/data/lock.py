"""Writers of one folder take turns."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from learned_envs.errors import OutputError

LOCK = ".lock"
"""Name of the file that a writer holds. The system lets go of it if the writer is killed."""

WAIT = 60.0
"""Seconds to wait for another writer. One holds the lock while it writes one shard."""


@contextmanager
def writing(folder: Path, wait: float = WAIT) -> Iterator[None]:
    """Hold a folder's lock, which nobody else does, and leave no file behind.

    Threads and processes wait for each other. Whoever reads needs no lock.

    Args:
        folder: an existing folder.
        wait: seconds to wait for others.

    Raises:
        OutputError: if the folder cannot be written to, or others hold the lock all the time.
    """
    file, end = folder / LOCK, time.monotonic() + wait
    while True:
        try:
            # While this is open, the file system gives its number to no other file.
            known = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            raise OutputError(
                f"Cannot write to {folder}: {error}. Give a folder that you may write to."
            ) from error
        try:
            with _locked(file, folder, max(0.0, end - time.monotonic())):
                # Who held the lock before has removed its file: then what is locked here is not
                # what others will lock.
                if _is(known, file):
                    try:
                        yield
                    finally:
                        # Windows does not remove a file that is open. It may stay.
                        with suppress(OSError):
                            file.unlink()
                    return
        finally:
            os.close(known)


@contextmanager
def _locked(file: Path, folder: Path, wait: float) -> Iterator[None]:
    lock = FileLock(file, timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"Another process has been writing to {folder} for {WAIT:.0f} seconds. Try again when "
            "it is done."
        ) from None
    except OSError as error:
        raise OutputError(
            f"Cannot lock {file}: {error}. Give a folder on a file system with locks."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is(descriptor: int, file: Path) -> bool:
    """Whether an open file is still the one of that name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), file.stat())
    return False
