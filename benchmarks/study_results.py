"""The study's figures: a family on a system, over seeds, in tables and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from cells import Figures, lay_out
from rich.table import Table

from learned_envs import registry

HOLD = "hold"
"""A row of the tables beside the families: the first state, held."""

TITLES = {
    "median": "Rollout error (median over rollouts)",
    "energy": "Energy off at the end, in standard deviations",
}
"""The figures that are shown, and their titles."""

LEADERS = 4
"""Families that are trained by our own protocol too."""

Summaries = dict[str, dict[str, dict[str, float]]]
"""{system: {family: figures over seeds}}."""


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-12)) for value in values) / len(values))


def summarise(cells: Iterable[tuple[str, str, Figures | None]]) -> Summaries:
    """Return the figures of systems and families over the seeds that are finished."""
    finished: dict[tuple[str, str], list[Figures]] = {}
    for system, family, figures in cells:
        if figures is not None:
            finished.setdefault((system, family), []).append(figures)
    summaries: Summaries = {}
    for (system, family), seeds in finished.items():
        for name, key in ((family, "model"), (HOLD, HOLD)):
            each = [figures[key] for figures in seeds]
            medians = [figures["median"] for figures in each]
            summaries.setdefault(system, {})[name] = {
                **{of: geometric_mean([figures[of] for figures in each]) for of in each[0]},
                "least": min(medians),
                "most": max(medians),
                "seeds": len(seeds),
            }
    return summaries


def leaders(figures: Summaries, systems: Sequence[str]) -> list[str]:
    """Return the families with the smallest errors over some systems, the best first."""
    over = [figures[system] for system in systems if system in figures]
    if not over:
        return []
    names = [family for family in registry.FAMILIES if all(family in each for each in over)]
    score = {
        name: geometric_mean([of_system[name]["median"] for of_system in over]) for name in names
    }
    return sorted(names, key=score.__getitem__)[:LEADERS]


def table(figures: Summaries, protocol: str, key: str) -> Table:
    """Lay one figure out, with a row for each family and a column for each system."""

    def shown(family: str, of_system: dict[str, dict[str, float]]) -> str:
        each = of_system.get(family)
        if each is None:
            return ""
        if key != "median":
            return f"{each[key]:.2g}"
        spread = f" [{each['least']:.2g} to {each['most']:.2g}]" if family != HOLD else ""
        return f"{each['median']:.2g} ({each['mean']:.2g}){spread}"

    rows = [
        [family, *(shown(family, of_system) for of_system in figures.values())]
        for family in (*registry.FAMILIES, HOLD)
    ]
    what = {"median": "error of rollouts, median (mean) [seeds]", "energy": "energy off at the end"}
    return lay_out(
        f"{protocol}: {what[key]}", ("family", *figures), filter(lambda r: any(r[1:]), rows)
    )


def plot(figures: Summaries, key: str, title: str, path: Path) -> None:
    """Draw one figure, with a place for each system and a mark for each family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots()
    systems = list(figures)
    # A held state keeps its energy: that would squeeze all else together.
    drawn = [*registry.FAMILIES] if key == "energy" else [*registry.FAMILIES, HOLD]
    families = [name for name in drawn if any(name in f for f in figures.values())]
    for index, family in enumerate(families):
        places = [i for i, system in enumerate(systems) if family in figures[system]]
        values = [figures[systems[i]][family][key] for i in places]
        shift = 0.7 * (index / max(1, len(families) - 1) - 0.5)
        style = "k_" if family == HOLD else "osD^v<>PX*"[index % 10]
        axes.plot([i + shift for i in places], values, style, label=family, markersize=8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(systems)), systems, rotation=20, ha="right")
    axes.set_title(title)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8, ncols=2, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
