"""A part of the benchmark on a GPU: its settings, its time, its rows, and how speeds are taken.

A part does one piece after the other and hands out a row for each. A piece that fails, or that the
memory is too small for, says so in its row, and the others go on.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Row = dict[str, Any]
"""One line of a table, as plain data: what it is of, and figures, or why there are none."""

PRECISIONS = ("float32", "tf32", "bfloat16")
"""What networks compute in. Everything else stays float32."""

WARM_UP = 4
"""Steps before anything is timed: code is compiled in the first two, graphs recorded after them."""

WINDOWS = 5
"""Stretches that are timed; the median is taken."""

OUT_OF_MEMORY, NOT_REACHED = "out of memory", "not reached"


@dataclass(frozen=True)
class Run:
    """What a part is to measure, where, and until when.

    Attributes:
        part: its name.
        device: the torch device that is measured.
        sizes: environments at once.
        seconds: time for one speed.
        deadline: `time.time()` after which no piece is begun.
        task: whose speed is measured.
        learner: the task whose model is trained and evaluated.
        steps: recorded steps that it learns from.
        learning: seconds of training.
        rows: the file that rows go to, a line of JSON each.
        data: the folder for what is recorded.
    """

    part: str
    device: str
    sizes: tuple[int, ...]
    seconds: float
    deadline: float
    task: str
    learner: str
    steps: int
    learning: float
    rows: str
    data: str

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Read what `to_json` wrote."""
        stored = json.loads(text)
        return cls(**{**stored, "sizes": tuple(stored["sizes"])})

    def to_json(self) -> str:
        """Write all of it, for another process."""
        return json.dumps(asdict(self))

    @cached_property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return torch.device(self.device).type == "cuda"

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.time()

    def attempt(self, piece: Callable[[], Row], **named: Any) -> Row:
        """Do one piece and hand out its row; what fails is said there.

        Args:
            piece: gives the figures.
            named: what they are of; the row begins with it.
        """
        row: Row = {"part": self.part, **named}
        if self.left() <= 0:
            row["failure"] = NOT_REACHED
        else:
            try:
                row |= piece()
            except torch.OutOfMemoryError:
                row["failure"] = OUT_OF_MEMORY
            except Exception as error:  # whatever it is, the other pieces are worth their time
                first = (str(error).strip() or "no message").splitlines()[0]
                row["failure"] = f"{type(error).__name__}: {first}"[:160]
        if "failure" in row:
            self.free()
        with Path(self.rows).open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row

    def free(self) -> None:
        """Give memory back that nothing uses any more."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()

    def wait(self) -> None:
        """Wait until the device has done what it was asked to."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def pace(self, step: Callable[[], object], per_step: float) -> float:
        """Return how many of `per_step` things a second `step` does, after a warm-up.

        The device is waited for at the end of a stretch of steps and not after each one, because
        nobody who steps a simulation would.
        """
        for _ in range(WARM_UP):
            step()
        self.wait()
        begin, steps = time.perf_counter(), 0
        while time.perf_counter() - begin < self.seconds / 4 or not steps:
            step()
            self.wait()
            steps += 1
        each = (time.perf_counter() - begin) / steps
        count = max(1, round(self.seconds / WINDOWS / each))
        taken = []
        for _ in range(WINDOWS):
            begin = time.perf_counter()
            for _ in range(count):
                step()
            self.wait()
            taken.append(time.perf_counter() - begin)
        return count * per_step / statistics.median(taken)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Let products of float32 matrices be computed in tf32, or in float32 as by default."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def nothing_falls_back() -> Iterator[None]:
    """Make the package's warning that a step runs uncompiled an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="torch.compile failed|No native code")
        yield


def autocast(device: str, name: str) -> Any:
    """Return a context in which torch chooses bfloat16 for products, if that is the precision."""
    if name != "bfloat16":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def installed(module: str) -> bool:
    """Say whether a module, or one within a package, can be imported."""
    package = module.partition(".")[0]
    return find_spec(package) is not None and find_spec(module) is not None


def off_by(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference, relative to 1 + |theirs|; inf if one is not a number."""
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    if ours.shape != theirs.shape:
        return float("inf")
    off = ((ours - theirs).abs() / (1 + theirs.abs())).nan_to_num(nan=torch.inf)
    return float(off.max()) if off.numel() else 0.0
