"""The C++ compiler of the machine."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

from learned_envs.errors import NativeCodeError
from learned_envs.workers import usable_cores

COMPILERS = ("c++", "g++", "clang++")
"""Names of compilers, the first to be looked for first, where the variable CXX names none."""

FLAGS = [
    "-std=c++17",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fPIC",
    "-w",
]

LONGEST = 600.0
"""Seconds that a compiler may take."""


def command(*, threads: bool) -> tuple[str, ...]:
    """Return the command that compiles, all but its files.

    Args:
        threads: whether the code has threads, which not every compiler can give it.

    Raises:
        NativeCodeError: if there is no compiler.
    """
    native = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    return (*_compiler(), *FLAGS, native, *(("-fopenmp",) if threads else ()))


def identity() -> str:
    """Return what tells this compiler and this processor from others, whose code may differ.

    Raises:
        NativeCodeError: if there is no compiler.
    """
    found = Path(shutil.which(_compiler()[0]) or _compiler()[0]).resolve()
    about = found.stat()
    return f"{found} {about.st_size} {about.st_mtime_ns} {platform.machine()} {_processor()}"


def compile_library(sources: Sequence[str], name: str, folder: Path) -> Path:
    """Compile code into a shared library.

    Args:
        sources: C++, in texts that are compiled side by side.
        name: of the library's file.
        folder: an empty one, that nobody else can write to.

    Raises:
        NativeCodeError: if there is no compiler, or it fails.
    """
    threads = (True, False) if any("#pragma omp" in source for source in sources) else (False,)
    for place, source in enumerate(sources):
        (folder / f"code{place}.cpp").write_text(source)
    objects = [f"code{place}.o" for place in range(len(sources))]
    for own in threads:
        whole = command(threads=own)
        calls = [(*whole, "-c", file.replace(".o", ".cpp"), "-o", file) for file in objects]
        with ThreadPoolExecutor(usable_cores()) as pool:
            failures = [*filter(None, pool.map(partial(_failure, folder), calls))]
        if not failures:
            failures = [
                *filter(None, [_failure(folder, (*whole, "-shared", *objects, "-o", name))])
            ]
        if not failures:
            return folder / name
    raise NativeCodeError(f"{whole[0]} failed: {failures[0]}")


def _failure(folder: Path, call: Sequence[str]) -> str | None:
    """Run a compiler in a folder; return the first line of what it says if it fails."""
    try:
        # In its folder, where it finds no files of the user's.
        done = subprocess.run(
            call, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeCodeError(f"{call[0]} could not be run: {error}") from error
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[0]


def _compiler() -> list[str]:
    if own := shlex.split(os.environ.get("CXX", "")):
        if shutil.which(own[0]) is None:
            raise NativeCodeError(f"CXX={shlex.join(own)} names no compiler that is there")
        return own
    for name in COMPILERS:
        if (found := shutil.which(name)) is not None:
            return [found]
    raise NativeCodeError(f"there is no C++ compiler, none of {', '.join(COMPILERS)}")


@cache
def _processor() -> str:
    """Return what the system says of the processor's instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    of_interest = ("flags", "Features", "model name", "CPU part")
    return " ".join(sorted({line for line in lines if line.startswith(of_interest)}))
