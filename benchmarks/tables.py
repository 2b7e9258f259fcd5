"""Write README's tables of transfer and fidelity from the cards of the shipped weights.

    python benchmarks/tables.py

replaces what stands between `<!-- transfer -->` and `<!-- /transfer -->`, and likewise for
`fidelity`. `benchmarks/transfer.py --record` and `benchmarks/fidelity.py --record` write the
figures into the cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learned_envs import catalogue, registry
from learned_envs.card import Entries, read_card
from learned_envs.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from learned_envs.evaluation.report import JUDGED, TWIN, Report
from learned_envs.figures import Fidelity
from learned_envs.transfer import Comparison

README = Path(__file__).parents[1] / "README.md"

Cards = Mapping[str, Entries]
"""The cards by task; an empty one for a task without weights."""


def shipped_cards() -> Cards:
    """Read the cards of all tasks that are to have weights."""
    tasks = [task for task in registry.TASKS if task not in catalogue.PENDULUMS]
    paths = {task: registry.shipped_weights(task) for task in tasks}
    return {task: read_card(path) if path.is_file() else Entries() for task, path in paths.items()}


def add_to_card(checkpoint: str | Path, **figures: Any) -> None:
    """Write figures into the card of a task's weights or of a checkpoint."""
    path = find_checkpoint(checkpoint)
    dynamics, card = load_checkpoint(path)
    save_checkpoint(path, dynamics, {**card, **figures})


def transfer_table(cards: Cards) -> str:
    """Return the table of agents trained inside and outside, with a row for each task."""
    rows = {}
    for task, card in cards.items():
        comparison = Comparison.of(card)
        rows[task] = None if comparison is None else comparison.cells()
    return lay_out(Comparison.COLUMNS, rows)


def fidelity_table(cards: Cards) -> str:
    """Return the table of rollout errors and long runs, with a row for each task."""
    columns = (
        *(f"{horizon} steps" for horizon in JUDGED),
        "close",
        "mean off",
        "spread ratio",
        "falls",
    )
    rows = {}
    for task, card in cards.items():
        figures = card.fidelity
        rows[task] = None if figures is None else (*error_cells(figures), *long_run_cells(figures))
    return lay_out(columns, rows)


def error_cells(figures: Fidelity) -> list[str]:
    """Return the medians at each judged horizon, and up to which of them the model is close."""
    report = Report.of(figures.report)
    curves = [report.curve(name).median for name in ("model", TWIN, "hold")]
    cells = []
    for horizon in JUDGED:
        if horizon not in report.horizons:
            cells.append("")
            continue
        i = report.horizons.index(horizon)
        medians = " / ".join(f"{curve[i]:.2g}" for curve in curves)
        cells.append(f"{medians} (x {report.times_the_twin()[i]:.2g})")
    verdicts = report.verdicts()
    missed = [str(horizon) for horizon, close in verdicts.items() if not close]
    if missed:
        return [*cells, f"not at {', '.join(missed)}"]
    return [*cells, f"up to {max(verdicts)}" if verdicts else "not judged"]


def long_run_cells(figures: Fidelity) -> tuple[str, ...]:
    """Return how long runs inside differ from those outside."""
    run = figures.long_run
    if run is None:
        return "", "", ""
    falls = f"{run.fell_inside:.0%} / {run.fell_outside:.0%}"
    return (
        f"{run.mean_median:.2g} / {run.mean_largest:.2g}",
        f"{run.spread_median:.2g} / {run.spread_farthest:.2g}",
        falls + (f", {run.diverged:.0%} diverged" if run.diverged else ""),
    )


def lay_out(columns: Sequence[str], rows: Mapping[str, Sequence[str] | None]) -> str:
    """Return rows as Markdown, and a line that names the tasks without any."""
    lines = []
    filled = {task: cells for task, cells in rows.items() if cells is not None}
    if filled:
        lines += ["| task | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [f"| {task} | " + " | ".join(cells) + " |" for task, cells in filled.items()]
    if missing := [task for task in rows if task not in filled]:
        lines += ["", f"No figures yet: {', '.join(missing)}."]
    return "\n".join(lines).strip()


def fill(text: str, cards: Cards) -> str:
    """Return README's text with the tables of these cards."""
    for name, table in (("transfer", transfer_table(cards)), ("fidelity", fidelity_table(cards))):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"Expected {begin}and {end}in README once, each on its own line.")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}\n\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text(), shipped_cards()))
