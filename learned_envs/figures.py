"""Figures of how good a model is, as its card keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Curve:
    """One predictor's standardised squared error at each horizon of a report."""

    name: str
    median: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True)
class RolloutErrors:
    """Rollout errors of several predictors on the same held-out windows.

    Attributes:
        system: the reference environment's id.
        horizons: steps after which errors were measured.
        trajectories: how many windows.
        curves: one for each predictor.
    """

    system: str
    horizons: tuple[int, ...]
    trajectories: int
    curves: tuple[Curve, ...]

    def curve(self, name: str) -> Curve:
        """Return the curve of the predictor of that name."""
        return next(curve for curve in self.curves if curve.name == name)


@dataclass(frozen=True)
class Returns:
    """Returns of agents; see [`Comparison`][learned_envs.transfer.comparison.Comparison].

    Cards of 0.1.0 have the first four, and name the agent by a string.
    """

    inside: list[float]
    outside: list[float]
    seeds: list[int] = field(default_factory=list)
    agent: dict[str, Any] | str = ""
    episodes: int | None = None
    trained_outside: list[float] | None = None
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
