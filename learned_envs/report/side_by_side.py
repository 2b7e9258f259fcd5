"""Several fits side by side, by what their cards say."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from learned_envs.evaluation.report import TWIN
from learned_envs.report.content import Content
from learned_envs.report.page import figure
from learned_envs.terminal import table_of


def side_by_side(contents: Mapping[str, Content]) -> Table:
    """Lay out several reports, a column each.

    Args:
        contents: by the name of the run.
    """
    table = table_of("", *contents, title="Medians are of each fit's own held-out episodes")
    rows = {name: _cells(content) for name, content in contents.items()}
    names = dict.fromkeys(name for cells in rows.values() for name in cells)
    for name in names:
        table.add_row(name, *(cells.get(name, "") for cells in rows.values()))
    return table


def _cells(content: Content) -> dict[str, str]:
    facts = ("environment", "family", "real steps", "best weights")
    cells: dict[str, str] = {"fit": content.condition}
    cells |= {name: content.facts[name] for name in facts if name in content.facts}
    cells.update((each.purpose.lower(), each.answer) for each in content.verdicts)
    for each in content.errors[:1]:
        errors = each.errors
        shown = {"model": "median error", TWIN: TWIN}
        for curve in errors.curves:
            if curve.name in shown:
                for horizon, value in zip(errors.horizons, curve.median, strict=True):
                    cells[f"{shown[curve.name]} at {horizon}"] = figure(value)
        for horizon, share in zip(errors.horizons, errors.times_hold(), strict=False):
            cells[f"model / hold at {horizon}"] = figure(share)
    if content.rounds:
        best = max(content.rounds, key=lambda each: each.outside)
        cells["best round, inside"] = figure(best.inside)
        cells["best round, outside"] = figure(best.outside)
    return cells
