"""Figures of how good a model is, as its card keeps them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from learned_envs.errors import ParameterError, UnknownNameError

BETTER = 0.9
"""A model is better than holding if its error is at most this share of that one's."""

LEAST_ERROR = 1e-12
"""Below it, an error is zero but for rounding."""


@dataclass(frozen=True)
class Data:
    """What a model was fitted to.

    Attributes:
        sha256: tells this data from any other.
        steps: how many real steps it holds.
        sources: how many steps each actor took, by name.
    """

    sha256: str
    steps: Annotated[int, Meta(ge=1)]
    sources: dict[str, Annotated[int, Meta(ge=0)]]


@dataclass(frozen=True)
class Checked:
    """How far a training was when its weights were the best so far.

    Attributes:
        update: gradient steps until then.
        score: error of rollouts on held-out data; lower is better.
    """

    update: Annotated[int, Meta(ge=0)]
    score: float


@dataclass(frozen=True)
class Curve:
    """One predictor's standardised squared error at each horizon of a report."""

    name: str
    median: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True)
class SensorFigures:
    """How close predicted readings of a sensor are to recorded ones, and what was said of that.

    Numbers that do not vary are left out. A number is busy where it is off the value that it has
    most often, such as a contact's force where there is one.

    Attributes:
        error: mean squared error, in units of the variance: 1 is what predicting the mean gives.
        within: share of errors within one and within two of the spreads that the model says; None
            if it says none. They are 0.68 and 0.95 for normal errors, 0.76 and 0.94 for Laplace's.
        busy: share of readings that are busy.
        busy_within: as `within`, of these alone.
    """

    error: float
    within: tuple[float, float] | None = None
    busy: float | None = None
    busy_within: tuple[float, float] | None = None

    def told(self, name: str) -> str:
        """Say it in a line."""
        line = f"{name}: mean squared error {self.error:.2g} of the data's variance"
        for whose, shares in (("", self.within), (" where busy", self.busy_within)):
            if shares is not None:
                line += f"; {shares[0]:.0%} within a spread, {shares[1]:.0%} within two{whose}"
        return line


@dataclass(frozen=True)
class RolloutErrors:
    """Rollout errors of several predictors on the same held-out windows.

    Attributes:
        system: the reference environment's id.
        horizons: steps after which errors were measured.
        trajectories: how many windows.
        curves: one for each predictor.
        sensors: figures of each sensor's readings one step ahead, by its name.
    """

    system: str
    horizons: tuple[int, ...]
    trajectories: int
    curves: tuple[Curve, ...]
    sensors: dict[str, SensorFigures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there are horizons, and for each of them a figure in every curve.

        Raises:
            ParameterError: if not.
        """
        count = len(self.horizons)
        lengths = {len(values) for curve in self.curves for values in (curve.median, curve.mean)}
        names = {curve.name for curve in self.curves}
        if not count or min(self.horizons) < 1 or lengths - {count}:
            raise ParameterError(
                f"Got curves of {sorted(lengths)} errors at the horizons {self.horizons!r:.200}, "
                "expected one at each, and at least one horizon of 1 or more."
            )
        if len(names) < len(self.curves):
            raise ParameterError("Got two curves of one name, expected one for each predictor.")

    def curve(self, name: str) -> Curve:
        """Return the curve of the predictor of that name.

        Raises:
            UnknownNameError: if there is none.
        """
        curves = {curve.name: curve for curve in self.curves}
        if name not in curves:
            raise UnknownNameError("predictor", name, curves)
        return curves[name]

    def times_hold(self) -> tuple[float, ...]:
        """Return the model's median over that of holding the first state, at each horizon.

        Where holding is exact for most windows, as of a system at rest, the means are compared.
        There is nothing to return if the report lacks one of the two.
        """
        if not {"model", "hold"} <= {curve.name for curve in self.curves}:
            return ()
        model, hold = self.curve("model"), self.curve("hold")
        pairs = [
            (ours, theirs) if theirs > LEAST_ERROR else (mean, mean_of_hold)
            for ours, theirs, mean, mean_of_hold in zip(
                model.median, hold.median, model.mean, hold.mean, strict=True
            )
        ]
        return tuple(ours / max(theirs, LEAST_ERROR) for ours, theirs in pairs)

    @property
    def beats_hold(self) -> bool:
        """Whether the model is better than holding the first state.

        It has to be at the shortest horizon, and in the geometric mean over all of them. A report
        without either of the two says nothing against it.
        """
        if not (times := self.times_hold()):
            return True
        overall = math.fsum(math.log(max(share, LEAST_ERROR)) for share in times) / len(times)
        # Written so that NaN is not better.
        return times[0] <= BETTER and overall <= math.log(BETTER)


@dataclass(frozen=True)
class Returns:
    """Returns of agents; see [`Comparison`][learned_envs.transfer.comparison.Comparison].

    Cards of 0.1.0 have the first four, and name the agent by a string.
    """

    inside: Annotated[list[float], Meta(min_length=1)]
    outside: Annotated[list[float], Meta(min_length=1)]
    seeds: list[int] = field(default_factory=list)
    agent: dict[str, Any] | str = ""
    episodes: int | None = None
    trained_outside: Annotated[list[float], Meta(min_length=1)] | None = None
    random: float | None = None
    minutes: dict[str, float] | None = None
    score: float | None = None


@dataclass(frozen=True)
class LongRuns:
    """Whole episodes of agents, inside against outside.

    See [`summary`][learned_envs.evaluation.long_run.summary].
    """

    agents: int
    episodes: int
    mean_median: float
    mean_largest: float
    spread_median: float
    spread_farthest: float
    fell_inside: float
    fell_outside: float
    diverged: float


@dataclass(frozen=True)
class Fidelity:
    """How close a model is to the real system along paths of agents that are in no data."""

    report: RolloutErrors
    long_run: LongRuns | None = None


def gap_of(inside: float, outside: float) -> float:
    """Return the gap of two returns: |inside - outside| / max(|inside|, |outside|)."""
    return abs(inside - outside) / max(abs(inside), abs(outside), 1e-9)
