"""What an evaluation found, as a table, a picture and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from learned_envs import argument
from learned_envs.errors import ParameterError
from learned_envs.figures import Curve, RolloutErrors
from learned_envs.files import write_whole

__all__ = ["Curve", "Report"]

TWIN = "twin 1e-03"
"""The twin that a model is judged by: MuJoCo itself, with noise of 1e-3 on its start."""

WORTHLESS = (
    "This model is no better than holding the first state: its training failed, or the data does "
    "not say how the system moves."
)
"""What is said of a model that does not beat holding the first state."""

JUDGED = (10, 25, 50, 100)
"""Steps at which a model is judged by its twin."""

TWIN_BELOW_HOLD = 0.1
"""If the twin is off by a larger share of hold's error, MuJoCo itself cannot be predicted."""

TIMES_THE_TWIN, SMALL_ERROR, MODEL_BELOW_HOLD = 50.0, 0.005, 0.5
"""A close model's median is at most so many times its twin's, or so small that it does not matter.
It is never above that share of hold's."""


@dataclass(frozen=True)
class Report(RolloutErrors):
    """Rollout errors, and what they mean: verdicts, a table, a picture."""

    @classmethod
    def of(cls, errors: RolloutErrors) -> Report:
        """Return the report on what a card keeps of one."""
        return cls(**vars(errors))

    def times_the_twin(self) -> tuple[float, ...]:
        """Return the model's median over its twin's, at each horizon; nothing without a twin."""
        if not self._has_twin:
            return ()
        medians = zip(self.curve("model").median, self.curve(TWIN).median, strict=True)
        return tuple(model / twin for model, twin in medians)

    def verdicts(self) -> dict[int, bool]:
        """Return whether the model is close, at each horizon at which that can be judged."""
        if not self._has_twin:
            return {}
        model, hold, twin = (self.curve(name) for name in ("model", "hold", TWIN))
        verdicts = {}
        for i, horizon in enumerate(self.horizons):
            if horizon in JUDGED and twin.median[i] < TWIN_BELOW_HOLD * hold.median[i]:
                allowed = max(TIMES_THE_TWIN * twin.median[i], SMALL_ERROR)
                verdicts[horizon] = (
                    model.median[i] <= min(allowed, MODEL_BELOW_HOLD * hold.median[i])
                    and model.mean[i] < hold.mean[i]
                )
        return verdicts

    @property
    def _has_twin(self) -> bool:
        return any(curve.name == TWIN for curve in self.curves)

    def table(self) -> Table:
        """Lay the medians and means out, a row a predictor, and what a twin says of the model."""
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
        if times_hold := self.times_hold():
            table.add_section()
            table.add_row("model / hold", *(f"{times:.2g}" for times in times_hold))
        if not self.beats_hold:
            table.caption = WORTHLESS
        if self._has_twin:
            words, verdicts = {True: "close", False: "too far", None: ""}, self.verdicts()
            table.add_row(f"model / {TWIN}", *(f"{times:.2g}" for times in self.times_the_twin()))
            table.add_row("verdict", *(words[verdicts.get(h)] for h in self.horizons))
        return table

    def plot(self, path: str | Path) -> None:
        """Draw error against horizon, both logarithmic, into a picture file.

        Raises:
            ParameterError: if the path's ending is that of no kind of picture.
            OutputError: if it cannot be written.
        """
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
        path = argument.path("path", path)
        picture = BytesIO()
        figure.savefig(picture, format=picture_format(path), dpi=120)
        write_whole(path, picture.getvalue())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Build a report from what `to_dict` gave, read back from JSON."""
        return msgspec.convert(data, cls)


def picture_format(path: Path) -> str:
    """Return the format of the picture that a path's ending names; PNG if it has none.

    Raises:
        ParameterError: if it is that of no kind of picture.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    kind = path.suffix.removeprefix(".").lower() or "png"
    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if kind not in known:
        raise ParameterError(
            f"Got {path} for a picture, expected an ending that is one of {', '.join(known)}."
        )
    return kind
