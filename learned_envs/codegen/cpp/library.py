"""Native code as a library that is loaded: compiled once for a machine, and kept."""

from __future__ import annotations

import ctypes
import hashlib
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import RLock

from filelock import FileLock, Timeout

from learned_envs.codegen.cpp.compiler import command, compile_library, identity
from learned_envs.codegen.cpp.folder import cache_folder, keep, kept
from learned_envs.errors import NativeCodeError

NAME = "code.so"
"""Of a library's file, while it is compiled or loaded."""

PATIENCE = 120.0
"""Seconds to wait for another process that compiles the same code."""

_loaded: dict[str, ctypes.CDLL] = {}
_lock = RLock()
_warned: list[bool] = []


def load(*sources: str) -> ctypes.CDLL:
    """Return the library of C++ code: loaded before, found in the user's cache, or compiled.

    Several sources are compiled side by side.

    Nothing is loaded that others could have written; see `folder`. Where the cache cannot be used,
    a warning says so once, and each process compiles for itself.

    Raises:
        NativeCodeError: if it cannot be compiled or loaded.
    """
    about = "\n".join((*command(threads=True), identity(), version("learned-envs"), *sources))
    key = hashlib.sha256(about.encode()).hexdigest()[:32]
    with _lock:
        if key not in _loaded:
            _loaded[key] = _found(sources, key)
        return _loaded[key]


def _found(sources: Sequence[str], key: str) -> ctypes.CDLL:
    try:
        folder = cache_folder()
        data = kept(folder, key)
        if data is None:
            with _turn(folder / f"{key}.lock"):
                # Another process may have compiled it meanwhile.
                data = kept(folder, key)
                if data is None:
                    data = _compiled(sources)
                    keep(folder, key, data)
        return _opened(data, folder)
    except OSError as error:
        _warn(error)
    try:
        return _opened(_compiled(sources))
    except OSError as error:
        raise NativeCodeError(f"the library cannot be loaded: {error}") from error


def _compiled(sources: Sequence[str]) -> bytes:
    with _own_folder() as folder:
        return compile_library(sources, NAME, folder).read_bytes()


def _opened(data: bytes, home: Path | None = None) -> ctypes.CDLL:
    """Load a copy that nobody finds.

    A process uses the file of a library as memory for as long as it lives. If the one in the cache
    were cut short meanwhile, that would end the process.
    """
    with _own_folder(home) as folder:
        file = folder / NAME
        file.write_bytes(data)
        return ctypes.CDLL(str(file))


@contextmanager
def _own_folder(home: Path | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="learned_envs-", dir=home) as folder:
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
