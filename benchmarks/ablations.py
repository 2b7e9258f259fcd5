"""Which ingredient of the model and of its training pays?

One table a task, a row a variant (`ablation_variants.py` lists them), each trained by the package's
own `train` on the same episodes for as many updates of the same batch, and measured on held-out
episodes: the standardised squared error, the time of training and of stepping, each of one core.
Seeds differ in weights and batches; the episodes held out and the windows measured on are the same.
The error of several seeds is their geometric mean, as is its ratio to the base's, seed by seed; the
smallest and the largest ratio stand behind it.

    learned-envs collect Hopper --steps 1000000 --learners 4 --out data/hopper
    learned-envs collect HalfCheetah --steps 1000000 --learners 4 --out data/half-cheetah
    learned-envs collect Hopper --steps 250000 --learners 2 --seed 1 --out data/hopper-unseen

    # every variant, one seed, 5,000 updates; --updates 20 sees in minutes that each of them runs
    python benchmarks/ablations.py --data data/hopper data/half-cheetah

    # some of them, three seeds, and a second table on policies that the training has not seen
    python benchmarks/ablations.py --task Hopper --data data/hopper --held-out data/hopper-unseen \
--variant base unclamped history --seeds 3 --out runs/confirmed --json confirmed.json

Each cell, a variant with a seed, has a folder below `--out`. What was killed goes on where it was;
a finished cell is only read, and the tables show all that are finished with the settings given.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from ablation_cell import HELD_OUT, HORIZONS, UNSEEN, Cell, Result, run_cell
from ablation_variants import BASE, VARIANTS
from rich.console import Console
from rich.table import Table

from learned_envs.catalogue import task_of
from learned_envs.errors import ParameterError, UnknownNameError
from learned_envs.fit.workers import run_in_order, usable_cores

COMPARED = 25
"""Steps after which a variant's error is set beside the base's."""


@dataclass(frozen=True)
class Options:
    """Train variants of the model alike and compare their errors."""

    data: tuple[Path, ...]
    """A dataset for each task: to learn from, and, its held-out episodes, to measure on."""
    held_out: tuple[Path, ...] = ()
    """A second dataset for each task, of unseen policies, to measure on."""
    task: tuple[str, ...] = ("Hopper", "HalfCheetah")
    """Names of the tasks."""
    variant: tuple[str, ...] = ()
    """Names of the variants to train; all where none is given."""
    out: Path = Path("runs/ablations")
    """Where the cells' folders are."""
    updates: int = 5000
    """Gradient steps of each training; its horizons share them equally."""
    batch_size: int = 256
    """Windows in one gradient step, for each member."""
    seeds: int = 1
    """Trainings of each variant."""
    trajectories: int = 2000
    """Windows that errors are measured on."""
    workers: int = usable_cores()
    """Cells trained at once, each in a process of one thread."""
    json: Path | None = None
    """Where to write the figures as JSON."""


def cells_of(options: Options) -> list[Cell]:
    """List the cells of all variants, seed after seed.

    Raises:
        ParameterError: where there is not one dataset for each task.
        UnknownNameError: an unknown task or variant.
    """
    tasks = [task_of(name) for name in options.task]
    for name, paths in (("data", options.data), ("held-out", options.held_out)):
        if len(paths) != len(tasks) and (paths or name == "data"):
            raise ParameterError(
                f"Got {len(paths)} datasets in --{name}, expected one for each of the tasks "
                f"{', '.join(tasks)}, in their order. Name the tasks by --task."
            )
    for name in options.variant:
        if name not in VARIANTS:
            raise UnknownNameError("variant", name, VARIANTS)
    held_out = options.held_out or (None,) * len(tasks)
    return [
        Cell(
            task,
            name,
            seed,
            data,
            unseen,
            options.out / task / name / f"seed-{seed}",
            options.updates,
            options.batch_size,
            options.trajectories,
        )
        for seed in range(options.seeds)
        for task, data, unseen in zip(tasks, options.data, held_out, strict=True)
        for name in VARIANTS
    ]


def geometric_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known or min(known) <= 0:
        return None
    return math.exp(sum(map(math.log, known)) / len(known))


def ratios(results: dict[int, Result], base: dict[int, Result], where: str) -> list[float]:
    """Return each seed's error over the base's of the same seed, where both are known."""
    pairs = [
        [each.error(where, "model", COMPARED, "median") for each in (results[seed], base[seed])]
        for seed in results
        if seed in base
    ]
    return [own / other for own, other in pairs if own is not None and other]


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def row_of(
    results: dict[int, Result], base: dict[int, Result], where: str, curve: str
) -> list[str]:
    """Lay out a curve's errors, seeds taken together."""

    def over_seeds(horizon: int, statistic: str) -> str:
        errors = [each.error(where, curve, horizon, statistic) for each in results.values()]
        return shown(geometric_mean(errors))

    row = [*(over_seeds(h, "median") for h in HORIZONS), over_seeds(COMPARED, "mean")]
    if curve != "model":
        return row
    seen = ratios(results, base, where)
    ratio = shown(geometric_mean(seen))
    if len(seen) > 1:
        ratio += f" ({shown(min(seen))} to {shown(max(seen))})"
    minutes = geometric_mean([each.minutes for each in results.values()])
    speed = geometric_mean([each.speed for each in results.values()])
    return [*row, ratio, shown(minutes) if minutes is None else f"{minutes:.1f}", f"{speed:,.0f}"]


def lay_out(task: str, where: str, finished: dict[str, dict[int, Result]]) -> Table:
    counts = sorted({len(results) for results in finished.values()})
    table = Table(
        title=f"{task}, {where}: standardised squared error, median at 1 to {HORIZONS[-1]} steps",
        caption=f"seeds: {' or '.join(map(str, counts))}; minutes of training and steps/s of "
        "Simulation.step at 1,024 environments are those of one core",
    )
    table.add_column("variant")
    columns = (*map(str, HORIZONS), f"mean at {COMPARED}", f"times base at {COMPARED}")
    for name in (*columns, "minutes", "steps/s"):
        table.add_column(name, justify="right")
    base = finished.get(BASE, {})
    for name, results in finished.items():
        table.add_row(name, *row_of(results, base, where, "model"))
    any_of_them = next(iter(finished.values()))
    table.add_row("hold", *row_of(any_of_them, {}, where, "hold"))
    return table


def figures(task: str, finished: dict[str, dict[int, Result]]) -> list[dict[str, Any]]:
    return [
        {"task": task, "variant": name, "seed": seed, **asdict(result)}
        for name, results in finished.items()
        for seed, result in results.items()
    ]


def main(options: Options) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    # Set before the processes start: threads of one would take the cores of the other.
    os.environ["OMP_NUM_THREADS"] = "1"
    cells = cells_of(options)
    chosen = options.variant or tuple(VARIANTS)
    todo = [cell for cell in cells if cell.name in chosen and cell.result() is None]
    for cell, failure in zip(todo, run_in_order(run_cell, todo, options.workers), strict=True):
        how = "finished" if failure is None else f"failed: {failure}"
        console.print(f"{cell.task} {cell.name}, seed {cell.seed}: {how}", highlight=False)
    written = []
    for task in dict.fromkeys(cell.task for cell in cells):
        finished: dict[str, dict[int, Result]] = {}
        for cell in cells:
            result = cell.result() if cell.task == task else None
            if result is not None:
                finished.setdefault(cell.name, {})[cell.seed] = result
        if not finished:
            continue
        for where in (HELD_OUT, UNSEEN)[: 1 + bool(options.held_out)]:
            console.print(lay_out(task, where, finished))
        written += figures(task, finished)
    if options.json is not None:
        options.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
