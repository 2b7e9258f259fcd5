"""One case of the fuzz after the other, in processes that may hang, grow or crash.

A case is of a kind, and its number seeds all that is random in it: the same number gives the same
case. What came of it is a verdict.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

REFUSED, EQUAL, WORKS, FAULT = "refused", "equal", "works", "FAULT"
"""One error of ours; opened as it was; opened or done, with nothing to compare with; all else."""

GROWTH = 700
"""Megabytes that the memory of a process may grow by in a case."""

ROOM = 6 * 2**30
"""Bytes of address space that a process may take beyond what it starts with."""

Verdict = tuple[str, str]
"""One of the four, and what was done or went wrong."""

Case = Callable[[Random, Any, Path], Verdict]
"""From randomness, what its kind prepared, and an empty folder, to a verdict."""


@dataclass(frozen=True)
class Kind:
    """Cases of one kind.

    Attributes:
        name: what it is called.
        prepare: makes what its cases share, in a folder; it is called once in each process.
        case: does one.
        seconds: the longest that one may take.
    """

    name: str
    prepare: Callable[[Path], Any]
    case: Case
    seconds: float = 30.0


@dataclass
class Tally:
    """What came of the cases of a kind."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def note(self, number: int, verdict: Verdict) -> None:
        """Count a case."""
        self.counts[verdict[0]] += 1
        if verdict[0] == FAULT:
            self.faults.append((number, verdict[1]))


def judged(act: Callable[[], Verdict], done: str) -> Verdict:
    """Do something; return its verdict, or that it was refused by an error of ours, or a fault."""
    from learned_envs.errors import LearnedEnvsError

    try:
        return act()
    except LearnedEnvsError as error:
        if not str(error).strip():
            return FAULT, f"{done}: {type(error).__name__} without a message"
        return REFUSED, f"{done}: {error}"
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if "learned_envs" in f.filename] or frames
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
        return FAULT, f"{done}: {type(error).__name__} in {where}: {' '.join(str(error).split())}"


def run(kind: Kind, numbers: Sequence[int], workers: int, folder: Path) -> Tally:
    """Do cases in processes, each case within its time and memory."""
    tally = Tally(kind.name)
    waiting: Iterator[int] = iter(numbers)
    pool = [
        _Worker(kind, folder / f"{kind.name}-{index}".replace(" ", "-")) for index in range(workers)
    ]
    try:
        for worker in pool:
            worker.give(next(waiting, None))
        while busy := [worker for worker in pool if worker.number is not None]:
            soonest = min(worker.deadline for worker in busy)
            connection.wait([w.pipe for w in busy], timeout=max(0.0, soonest - time.monotonic()))
            for worker in busy:
                if (verdict := worker.verdict()) is not None:
                    assert worker.number is not None
                    tally.note(worker.number, verdict)
                    worker.give(next(waiting, None))
    finally:
        for worker in pool:
            worker.end()
    return tally


class _Worker:
    """A process that does cases, begun anew after one that it does not survive."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self.number: int | None = None
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.pipe, there = context.Pipe()
        # Not a daemon, because cases may start processes. It ends when this one does.
        self._process = context.Process(target=_serve, args=(there, self._kind, self._folder))
        self._process.start()
        there.close()
        # Modules are imported and what cases share is made before the clock of the first one runs.
        said = self.pipe.recv() if self.pipe.poll(600) else "they took 10 minutes"
        if said != READY:
            raise SystemExit(f"{self._kind.name}: cases could not be prepared: {said}")

    def give(self, number: int | None) -> None:
        """Begin a case; None ends the work."""
        self.number, self.deadline = number, time.monotonic() + self._kind.seconds
        if number is not None:
            self.pipe.send(number)

    def verdict(self) -> Verdict | None:
        """Return what came of the case under way; None if that is not known yet."""
        try:
            if self.pipe.poll():
                verdict: Verdict = self.pipe.recv()
                if verdict[1].startswith(_GREW):
                    self._again()
                return verdict
        except (EOFError, ConnectionResetError):
            self._process.join(5)
            code = self._process.exitcode
            name = signal.Signals(-code).name if code is not None and code < 0 else code
            self._again()
            return FAULT, f"the process ended with {name}"
        if time.monotonic() < self.deadline:
            return None
        self._again()
        return FAULT, f"not done after {self._kind.seconds:.0f} s"

    def _again(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        """End the process."""
        self.pipe.close()
        self._process.kill()
        self._process.join()


READY = "ready"

_GREW = "memory grew by"


def _serve(pipe: Connection, kind: Kind, folder: Path) -> None:
    """Do the cases that are sent, until the other end of the pipe is gone."""
    os.environ["OMP_NUM_THREADS"] = "1"
    folder.mkdir(parents=True, exist_ok=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.dup2(null, sys.stderr.fileno())
    try:
        shared = kind.prepare(folder)
    except Exception as error:
        pipe.send("".join(traceback.format_exception(error)))
        return
    _limit()
    pipe.send(READY)
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        place = folder / f"case-{number}"
        place.mkdir(exist_ok=True)
        # What an odd relative path leaves goes with the case.
        os.chdir(place)
        _forget_the_most()
        before = _megabytes("VmHWM")
        try:
            verdict = kind.case(Random(f"{kind.name}/{number}"), shared, place)
        except BaseException as error:  # the benchmark itself is wrong, and says so
            verdict = FAULT, f"the benchmark failed: {''.join(traceback.format_exception(error))}"
        if (grown := _megabytes("VmHWM") - before) > GROWTH:
            verdict = FAULT, f"{_GREW} {grown:.0f} MB: {verdict[1]}"
        os.chdir(folder)
        shutil.rmtree(place, ignore_errors=True)
        pipe.send((verdict[0], verdict[1][:1500]))


def _limit() -> None:
    """Bound what the process may take: a case that asks for more gets an error and not the swap."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _megabytes(name: str) -> float:
    """Return a figure of the process's memory, such as VmHWM: the most since it was forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def _forget_the_most() -> None:
    """Let the most memory begin at what is used now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
