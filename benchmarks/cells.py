"""Cells of a sweep: settings, a folder, figures. What is finished is not run again.

A script defines a cell as a frozen dataclass, because processes are sent it. It lists its cells,
and `run_all` runs those without figures. A sweep that was killed goes on with the same command.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import compress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, registry
from learned_envs.errors import LearnedEnvsError, OutputError
from learned_envs.files import write_whole
from learned_envs.fit import FitConfig, fit
from learned_envs.fit.folder import CONFIG_FILE
from learned_envs.workers import run_in_order

RESULT_FILE = "result.json"
"""The file in a cell's folder with its settings and figures."""

Figures = dict[str, Any]
"""What a cell gave, as plain data."""


class Cell(ABC):
    """One run of a sweep."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The folder of all that is known of the cell."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """All that the figures depend on, besides the code."""

    @abstractmethod
    def run(self) -> Figures:
        """Do the work, leave what is worth keeping in the folder, and return the figures."""

    @abstractmethod
    def line(self, figures: Figures) -> str:
        """Say what came out."""

    def figures(self) -> Figures | None:
        """Read the figures; None if there are none for these settings."""
        path = self.folder / RESULT_FILE
        stored = json.loads(path.read_text()) if path.is_file() else {}
        same = stored.get("settings") == plain(self.settings)
        return stored.get("figures") if same else None


def run_all(cells: Sequence[Cell], workers: int, console: Console) -> None:
    """Run the cells without figures, each in a process of one thread, and print what all gave.

    A cell that fails is named, and the others go on.
    """
    # Set before the processes start, because threads of one would take the cores of another.
    os.environ["OMP_NUM_THREADS"] = "1"
    waiting = [cell.figures() is None for cell in cells]
    with closing(run_in_order(_finish, list(compress(cells, waiting)), workers)) as failures:
        for cell, unfinished in zip(cells, waiting, strict=True):
            failure = next(failures) if unfinished else None
            figures = cell.figures()
            said = cell.line(figures) if figures is not None else f"{cell.folder}: {failure}"
            console.print(said, soft_wrap=True)


def fit_or_resume(task: str, folder: Path, config: FitConfig, **arguments: Any) -> Simulation:
    """Fit a model, or go on with what a killed fit left in its folder.

    Args:
        task: name of the task.
        folder: the fit's.
        config: how to fit.
        arguments: further arguments of `fit`.

    Raises:
        OutputError: if the folder holds a fit of other settings.
    """
    path = folder / CONFIG_FILE
    if path.is_file():
        stored = FitConfig.from_dict(json.loads(path.read_text())["config"])
        found, expected = (
            plain(asdict(replace(c, data=None, start=None))) for c in (stored, config)
        )
        if found != expected:
            raise OutputError(
                f"{folder} holds a fit of other settings: {found}, expected {expected}. Choose "
                "another folder, or delete this one."
            )
    resume = path.is_file()
    return fit(task, folder, None if resume else config, resume=resume, **arguments)


def plain(data: Any) -> Any:
    """Return data as it comes back from JSON."""
    return json.loads(json.dumps(data))


def tasks_of(names: Sequence[str]) -> list[str]:
    """Return the tasks of these names or ids; all with shipped weights if there are none."""
    shipped = [task for task in registry.TASKS if registry.shipped_weights(task).is_file()]
    return [registry.task_of(name) for name in names] or shipped


def folder_of(task: str) -> str:
    """Return the name of the folder of a task's cells, without signs."""
    return task if task in registry.TASKS else registry.folder_name(task)


def lay_out(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Lay figures out, the first column to the left and the others to the right."""
    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _finish(cell: Cell) -> str | None:
    """Run a cell and leave its figures; return why, if it fails."""
    result = cell.folder / RESULT_FILE
    # Figures must not outlive what they describe.
    result.unlink(missing_ok=True)
    try:
        figures = cell.run()
        content = {"settings": cell.settings, "figures": figures}
        cell.folder.mkdir(parents=True, exist_ok=True)
        write_whole(result, json.dumps(content, indent=1).encode())
    except LearnedEnvsError as error:
        return str(error)
    return None
