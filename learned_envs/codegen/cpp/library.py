"""Native code as a library that is loaded: compiled once for a machine, and kept."""

from __future__ import annotations

import ctypes
import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import RLock

from filelock import FileLock, Timeout

from learned_envs.codegen.cpp.compiler import command, compile_library, identity
from learned_envs.codegen.cpp.folder import cache_folder, keep, kept
from learned_envs.errors import NativeCodeError

PATIENCE = 120.0
"""Seconds to wait for another process that compiles the same code."""

_loaded: dict[str, ctypes.CDLL] = {}
_lock = RLock()
_warned: list[bool] = []


def load(source: str) -> ctypes.CDLL:
    """Return the library of C++ code: loaded before, found in the user's cache, or compiled.

    Nothing is loaded that others could have written; see `folder`. Where the cache cannot be used,
    a warning says so once, and each process compiles for itself.

    Raises:
        NativeCodeError: if it cannot be compiled or loaded.
    """
    about = "\n".join((*command(threads=True), identity(), version("learned-envs"), source))
    key = hashlib.sha256(about.encode()).hexdigest()[:32]
    with _lock:
        if key not in _loaded:
            _loaded[key] = _found(source, key)
        return _loaded[key]


def _found(source: str, key: str) -> ctypes.CDLL:
    try:
        folder = cache_folder()
        file = kept(folder, key)
        if file is None:
            with _turn(folder / f"{key}.lock"):
                # Another process may have compiled it meanwhile.
                file = kept(folder, key) or _compiled(source, folder, key)
        return ctypes.CDLL(str(file))
    except OSError as error:
        _warn(error)
    try:
        # What is loaded stays when its file is gone.
        with _own_folder() as folder:
            return ctypes.CDLL(str(compile_library(source, "code.so", folder)))
    except OSError as error:
        raise NativeCodeError(f"the library cannot be loaded: {error}") from error


def _compiled(source: str, folder: Path, key: str) -> Path:
    with _own_folder() as own:
        return keep(folder, key, compile_library(source, "code.so", own))


@contextmanager
def _own_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="learned_envs-") as folder:
        yield Path(folder)


@contextmanager
def _turn(file: Path) -> Iterator[None]:
    """Wait until no other process compiles the same, where the file system has locks."""
    lock = FileLock(file, mode=0o600)
    # Without a lock both compile, and both keep what is whole.
    with suppress(Timeout, NotImplementedError, OSError):
        lock.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        lock.release()


def _warn(error: OSError) -> None:
    if not _warned:
        _warned.append(True)
        warnings.warn(
            f"The cache of native code cannot be used: {error} Each process compiles for itself. "
            "Set XDG_CACHE_HOME to a folder of your own that nobody else can write to.",
            RuntimeWarning,
            stacklevel=2,
        )
