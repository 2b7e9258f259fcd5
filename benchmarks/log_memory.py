"""How much memory and time does a long recording take?

    python benchmarks/log_memory.py --rows 10_000_000 --formats csv npz parquet

writes an arm's recording of so many rows, looks at it as `learned-envs logs check` does, and makes
states of it as a fit does first; each in a process of its own, whose largest memory is told.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import tyro
from from_logs import map_of
from rich.console import Console
from rich.table import Table
from robot_logs import STEP, recorded

PARTS = {
    "check": "from learned_envs.logs.check import check; check(Path({file!r}), log_map)",
    "make states": "from learned_envs.logs.convert import prepare; "
    "prepare(Path({file!r}), log_map, Path({out!r}))",
}
"""What is measured, as Python."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Options:
    """Measure the memory of a long recording."""

    rows: int = 10_000_000
    """How long."""
    formats: tuple[str, ...] = ("csv", "npz", "parquet")
    """Which files are written."""
    out: Path = Path("runs/log-memory")
    """Where they go."""


def main(options: Options) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    log_map = map_of("arm", recorded("arm", 0, 1))
    (options.out / "map.json").write_bytes(msgspec.json.encode(log_map))
    table = Table("format", "what", "largest memory, MB", "seconds", title=f"{options.rows:,} rows")
    for name in options.formats:
        file = options.out / f"long.{name}"
        if not file.exists():
            WRITERS[name](file, options.rows)
        for what, code in PARTS.items():
            out = options.out / f"states-{name}"
            memory, seconds = measured(code.format(file=str(file), out=str(out)), options.out)
            table.add_row(name, what, f"{memory / 1e6:,.0f}", f"{seconds:,.0f}")
    Console().print(table)


def measured(code: str, folder: Path) -> tuple[float, float]:
    """Run code in a process of its own; return the bytes it had at most, and seconds."""
    head = "import msgspec; from pathlib import Path; from learned_envs.logs.map import LogMap; "
    written = f"Path({str(folder / 'map.json')!r}).read_bytes()"
    given = f"log_map = msgspec.json.decode({written}, type=LogMap); "
    began = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", head + given + code], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"It failed: {code}")
    return usage.ru_maxrss * 1024.0, time.perf_counter() - began


def blocks(rows: int) -> Iterator[dict[str, Array]]:
    """Give the columns of a recording that repeats a real one, with gaps in between."""
    log = recorded("arm", 0, 50_000)
    span = float(log.time[-1]) + 10 * STEP
    for index, first in enumerate(range(0, rows, len(log.time))):
        kept = slice(0, min(len(log.time), rows - first))
        columns = {name: column[kept] for name, column in log.columns.items()}
        yield {**columns, "time": columns["time"] + index * span}


def write_csv(file: Path, rows: int) -> None:
    with file.open("w") as out:
        for index, columns in enumerate(blocks(rows)):
            if index == 0:
                out.write(",".join(columns) + "\n")
            np.savetxt(out, np.stack([*columns.values()], 1), "%.9g", ",")


def write_npz(file: Path, rows: int) -> None:
    found = [*blocks(rows)]
    joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    np.savez(file, **joined)  # type: ignore[arg-type]


def write_parquet(file: Path, rows: int) -> None:
    import pyarrow
    import pyarrow.parquet

    writer = None
    for columns in blocks(rows):
        table = pyarrow.table(columns)
        writer = writer or pyarrow.parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


WRITERS = {"csv": write_csv, "npz": write_npz, "parquet": write_parquet}

if __name__ == "__main__":
    main(tyro.cli(Options))
