"""What the commands show on a terminal: progress bars, tables, and cards in a few words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from learned_envs import registry
from learned_envs.catalogue import PENDULUMS
from learned_envs.errors import CheckpointError, WeightsNotShippedError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from learned_envs.card import Card
    from learned_envs.evaluation.report import Report
    from learned_envs.fit.config import TrainingConfig
    from learned_envs.fit.observer import Observer
    from learned_envs.fit.round import Round
    from learned_envs.fit.training import Progress
    from learned_envs.rules.rules import Rules

Advance = Callable[[int, str], None]
"""(done so far, a note to show beside the bar)."""

WIDTH = 120
"""Columns of what is printed if there is no terminal."""

SHOWN = (
    "real_steps",
    "data",
    "start",
    "seed",
    "training",
    "beats_hold",
    "returns",
    "disagreement_threshold",
    "versions",
    "sha256",
)
"""What `card_table` shows of a card as it is."""


@contextmanager
def bars() -> Iterator[Callable[[str, int], Advance]]:
    """Hand out progress bars with the time left; they are drawn on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH)
    progress = Progress(*columns, console=console, speed_estimate_period=120)

    def bar(name: str, total: int) -> Advance:
        progress.start()
        task = progress.add_task(name, total=total, note="")
        begun = False

        def advance(done: int, note: str) -> None:
            nonlocal begun
            if not begun:
                # What was done before a resume must not look like fast work.
                progress.reset(task, completed=done, note=note)
                begun = True
            progress.update(task, completed=done, note=note)

        return advance

    try:
        yield bar
    finally:
        # Stopping bars that were never started would print an empty line.
        if progress.tasks:
            progress.stop()


def fit_observer(bar: Callable[[str, int], Advance], training: str = "training") -> Observer:
    """Return the observer that draws a fit: a bar for each stage, and a line for each round."""
    from learned_envs.fit.observer import Observer

    stages: dict[str, Advance] = {}

    def advance(stage: str, done: int, total: int, note: str) -> None:
        if stage not in stages:
            stages[stage] = bar(stage, total)
        stages[stage](done, note)

    def collected(done: int, total: int) -> None:
        advance("recording", done, total, f"{done:,} of {total:,} steps")

    def trained(progress: Progress, plan: TrainingConfig) -> None:
        score = "" if progress.score is None else f" held-out {progress.score:.2f}"
        note = f"{progress.update:,}/{plan.updates:,} loss {progress.loss:.2g}{score}"
        done, total = plan.predictions(progress.update), plan.predictions(plan.updates)
        advance(training, done, total, note)

    def learned(done: int, total: int) -> None:
        advance("agent inside", done, total, f"{done:,} of {total:,} steps")

    def improved(round: Round) -> None:
        console().print(round.line())

    return Observer(collected, trained, learned, improved)


def console() -> Console:
    """Return the console that tables are printed on."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f"learned-envs: warning: {text}", file=sys.stderr)


def show_report(report: Report) -> None:
    """Print a report, and a warning if it says that the model is worth nothing."""
    console().print(report.table())
    for name, figures in report.sensors.items():
        console().print(figures.told(name))
    warn_if_worthless(report)


def warn_if_worthless(report: Report) -> None:
    """Print a warning if a report says that the model is worth nothing."""
    from learned_envs.evaluation.report import WORTHLESS

    if not report.beats_hold:
        warn(WORTHLESS)


def key_figures(card: Card) -> str:
    """Return what a list of tasks shows of a card."""
    figures = [f"{card.family}, {card.members} members"]
    if card.real_steps:
        figures.append(f"{card.real_steps:,} real steps")
    if held := card.held_out:
        errors = zip(held.horizons, held.curve("model").median, strict=True)
        shown = ", ".join(f"{error:.2g} at {horizon}" for horizon, error in errors)
        figures.append(f"median error {shown} steps")
        if not held.beats_hold:
            figures.append("NO BETTER than holding the first state")
    if returns := card.returns:
        inside, outside = fmean(returns.inside), fmean(returns.outside)
        score = returns.score
        figures.append(
            f"agents trained inside return {inside:,.5g} inside, {outside:,.5g} outside"
            + (f": {score:.3f} of what training outside gains" if score is not None else "")
        )
    return "\n".join(figures)


def card_table(card: Card, path: Path) -> Table:
    """Lay out a card and the file that it stands in, a row a name and a value."""
    table = table_of("", "", show_header=False, box=None)
    for name, value in [
        ("file", path),
        *([("pinned to", card.pinned)] if card.pinned else []),
        ("environment", card.environment),
        ("modelled on", card.modelled_on),
        *([("rules", rules_told(card.rules))] if card.reference else []),
        *([("notes", " ".join(card.notes))] if card.notes else []),
        ("family", f"{card.family}, {card.members} members"),
        ("options", pairs(card.config)),
        *[(name.replace("_", " "), v) for name, v in card.plain.items() if name in SHOWN],
    ]:
        table.add_row(name, pairs(value) if isinstance(value, Mapping) else str(value))
    return table


def rules_told(rules: Rules | None) -> str:
    """Say whose rules an environment has, and what they had to be learned of."""
    if rules is None:
        return "hosted: those of the environment's own code, which rules='hosted' needs"
    how = rules.how()
    learned = [name for name, each in how.items() if "learned" in each]
    told = f"exact but for {', '.join(learned)}, which are learned" if learned else "exact"
    errors = ", ".join(f"{name} {error:.2g}" for name, error in rules.learned.items() if error)
    squared = f" (mean squared errors, of a variance of 1: {errors})" if errors else ""
    return " ".join([f"{told}{squared}.", *rules.notes])


def tasks_table() -> Table:
    """Lay out all tasks and what is known of their weights: those with weights first.

    The package's own pendulums without weights share a row.
    """
    from learned_envs.card import read_card

    table = table_of("task", "environment", "weights")
    none: list[str] = []
    for task in registry.TASKS:
        name = registry.env_id(task)
        try:
            table.add_row(task, name, key_figures(read_card(name)))
        except WeightsNotShippedError:
            none.append(task)
        except CheckpointError as error:
            table.add_row(task, name, str(error))
    rows = {task: task for task in none if task not in PENDULUMS}
    if pendulums := [task for task in none if task in PENDULUMS]:
        rows["TASK"] = series(pendulums)
    for task, names in rows.items():
        table.add_row(names, registry.env_id(task), f"none yet: learned-envs fit {task}")
    return table


def table_of(*headers: str, **settings: Any) -> Table:
    """Return an empty table, whose cells are folded where they are too long and never cut."""
    from rich.table import Table

    table = Table(**settings)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def series(names: Iterable[str]) -> str:
    """Return names in few words: those that differ by a number alone are one.

    >>> series(["Chain-1", "Chain-2", "Chain-3", "Contact"])
    'Chain-1 to -3, Contact'
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.rstrip("0123456789"), []).append(name)
    return ", ".join(
        same[0] if len(same) == 1 else f"{same[0]} to -{same[-1].removeprefix(stem)}"
        for stem, same in alike.items()
    )


def pairs(values: Mapping[str, Any]) -> str:
    """Return a dictionary as a line of names and values."""

    def text(value: Any) -> str:
        if isinstance(value, Mapping):
            return f"({pairs(value)})"
        return f"{value:,.6g}" if isinstance(value, float) else str(value)

    return ", ".join(f"{name} {text(value)}" for name, value in values.items())
