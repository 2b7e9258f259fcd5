"""Is anything wrong accepted, or told in a way that nobody understands? Thousands of cases.

    python benchmarks/fuzz.py                     # 5,000 checkpoints, 2,000 datasets, 500 calls
    python benchmarks/fuzz.py --cases 0.01        # a hundredth of them
    python benchmarks/fuzz.py --kind cards --first 1234 --count 1      # one case again

Files are damaged, crafted, swapped and removed, arguments and commands are odd, and fits and
collections are killed. Each case must end in success, with the content that was there before, or in
one error of `learned_envs.errors`; for a command that is one line and an exit code. It must keep to
its time and memory, and may not crash. What does not is a fault, and is listed with the number that
makes it again.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from cells import lay_out
from fuzz_agents import AGENTS
from fuzz_calls import CALLS
from fuzz_checkpoints import CHECKPOINTS
from fuzz_commands import COMMANDS
from fuzz_datasets import DATASETS
from fuzz_kills import KILLED
from fuzz_work import EQUAL, FAULT, REFUSED, WORKS, Kind, Tally, run
from rich.console import Console

from learned_envs.workers import usable_cores

SHOWN = 12
"""The most faults of a kind that are listed."""

PLAN: dict[str, tuple[Kind, int]] = {
    **{kind.name: (kind, 1250) for kind in CHECKPOINTS},
    **{kind.name: (kind, 350) for kind in DATASETS},
    **{kind.name: (kind, 500) for kind in CALLS},
    **{kind.name: (kind, 250) for kind in COMMANDS},
    **{kind.name: (kind, 20) for kind in KILLED},
    **{kind.name: (kind, 350) for kind in AGENTS},
}
"""Every kind, and how many cases there are of it."""


@dataclass(frozen=True)
class Options:
    """Damage files, arguments and commands, and see what comes of it."""

    cases: float = 1.0
    """How many times as many cases."""
    seed: int = 0
    """Another one gives other cases."""
    kind: tuple[str, ...] = tuple(PLAN)
    """Which kinds."""
    first: int = 0
    """The number of the first case of each kind."""
    count: int | None = None
    """How many cases of each kind, whatever `cases` says."""
    workers: int = usable_cores()
    """Processes."""


def main(options: Options) -> int:
    """Do the cases, print what came of them, and return how many faults there are."""
    console = Console() if Console().is_terminal else Console(width=160)
    if unknown := [name for name in options.kind if name not in PLAN]:
        raise SystemExit(f"There is no kind {', '.join(unknown)}. There are {', '.join(PLAN)}.")
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.kind:
            kind, planned = PLAN[name]
            count = options.count or max(1, round(options.cases * planned))
            start = options.seed * 10**6 + options.first
            workers = max(1, min(options.workers, count // 4))
            with console.status(name):
                tally = run(kind, range(start, start + count), workers, Path(folder))
            tallies.append(tally)
            show_faults(console, tally)
    columns = ("kind", "cases", REFUSED, EQUAL, WORKS, FAULT)
    rows = [
        (
            t.name,
            *(f"{count:,}" for count in (t.counts.total(), *(t.counts[c] for c in columns[2:]))),
        )
        for t in tallies
    ]
    console.print(lay_out("What came of damaged files, odd arguments and kills", columns, rows))
    return sum(len(tally.faults) for tally in tallies)


def show_faults(console: Console, tally: Tally) -> None:
    """List the faults of a kind, those that are alike once."""
    seen: dict[str, list[int]] = {}
    for number, said in tally.faults:
        # Alike are those of one error in one line of code.
        where = re.search(r"\w+ in [\w.]+:\d+", said)
        seen.setdefault(where.group() if where else said.rpartition(": ")[2], []).append(number)
    for numbers in list(seen.values())[:SHOWN]:
        said = dict(tally.faults)[numbers[0]]
        console.print(
            f"{tally.name}, case {numbers[0]} and {len(numbers) - 1} like it: {said[:600]}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


if __name__ == "__main__":
    raise SystemExit(1 if main(tyro.cli(Options)) else 0)
