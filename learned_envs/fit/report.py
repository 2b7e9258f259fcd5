"""What an evaluation found, as a table, a picture and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Curve:
    """One predictor's standardised squared error at each horizon of a report."""

    name: str
    median: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """Rollout errors of several predictors on the same held-out windows.

    Attributes:
        system: the reference environment's id.
        horizons: steps after which errors were measured.
        trajectories: how many windows.
        curves: one a predictor.
    """

    system: str
    horizons: tuple[int, ...]
    trajectories: int
    curves: tuple[Curve, ...]

    def curve(self, name: str) -> Curve:
        """Return the predictor of that name."""
        return next(curve for curve in self.curves if curve.name == name)

    def table(self) -> Table:
        """Lay the medians and means out, a row a predictor."""
        table = Table(
            title=f"{self.system}: standardised squared error, median (mean), of "
            f"{self.trajectories:,} held-out trajectories"
        )
        table.add_column("predictor")
        for horizon in self.horizons:
            table.add_column(f"{horizon} step" + "s" * (horizon > 1), justify="right")
        for curve in self.curves:
            cells = [f"{m:.2g} ({a:.2g})" for m, a in zip(curve.median, curve.mean, strict=True)]
            table.add_row(curve.name, *cells)
        return table

    def plot(self, path: str | Path) -> None:
        """Draw error against horizon, both logarithmic, into a picture file."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for curve in self.curves:
            (line,) = axes.loglog(self.horizons, curve.median, "o-", label=curve.name)
            axes.loglog(self.horizons, curve.mean, ":", color=line.get_color())
        axes.set_xlabel("steps")
        axes.set_ylabel("standardised squared error\n(median solid, mean dotted)")
        axes.set_title(f"{self.system}, {self.trajectories:,} held-out trajectories")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, dpi=120)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Build a report from what `to_dict` gave, read back from JSON."""
        curves = tuple(
            Curve(curve["name"], tuple(curve["median"]), tuple(curve["mean"]))
            for curve in data["curves"]
        )
        return cls(data["system"], tuple(data["horizons"]), data["trajectories"], curves)
