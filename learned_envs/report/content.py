"""What a report says, as plain data: `report.json` is this, and the page shows nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from learned_envs.figures import RolloutErrors

Answer = Literal["yes", "partly", "no", "not known"]
"""To the question of whether a model is good enough for something."""

Condition = Literal["finished", "unfinished", "broken"]
"""Of a fit."""


@dataclass(frozen=True)
class Verdict:
    """What a model is good enough for.

    Attributes:
        purpose: for what.
        answer: whether it is.
        because: the figures that say so, in a sentence or two.
    """

    purpose: str
    answer: Answer
    because: str


@dataclass(frozen=True)
class Errors:
    """Errors over the horizon.

    Attributes:
        name: which trajectories they are of.
        errors: the figures; standardised squared errors.
    """

    name: str
    errors: RolloutErrors


@dataclass(frozen=True)
class Channels:
    """Root mean squared errors of each number of a state, in its own unit.

    Attributes:
        names: of positions, then of velocities.
        units: of each.
        joints: the name of each one's joint.
        horizons: steps after which they were measured.
        spread: standard deviation of each over held-out data.
        model: (horizons, channels) of the model.
        hold: (horizons, channels) of holding the first state.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    joints: tuple[str, ...]
    horizons: tuple[int, ...]
    spread: tuple[float, ...]
    model: tuple[tuple[float, ...], ...]
    hold: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Place:
    """One held-out window.

    Attributes:
        episode: its number among the held-out episodes, counted from 0.
        step: of the episode at which the window begins.
        actor: who acted.
        error: standardised squared error at the window's end.
        disagreement: the members' largest in the window; None for a model of one member.
        worst: the channel that is farthest off, in units of its spread.
    """

    episode: int
    step: int
    actor: str
    error: float
    disagreement: float | None
    worst: str


@dataclass(frozen=True)
class Windows:
    """Where a model can be trusted: what each held-out window says.

    Attributes:
        horizon: steps in each window.
        threshold: environments cut an episode above this disagreement; None if there is none.
        rank_correlation: Spearman's, of disagreement and error; None for a model of one member.
        quarters: median error of each quarter of the windows, from the least disagreement on.
        above: share of the windows whose disagreement is above the threshold.
        places: the windows, from the least error to the largest.
        worst: indices in `places` of the worst that do not overlap, the worst first.
    """

    horizon: int
    threshold: float | None
    rank_correlation: float | None
    quarters: tuple[float, ...]
    above: float | None
    places: tuple[Place, ...]
    worst: tuple[int, ...]


@dataclass(frozen=True)
class Coverage:
    """A map of the data: states along the two directions in which held-out states vary most.

    Attributes:
        axes: what the two directions are mostly made of.
        variance: the share of all variance along each.
        edges: (2, cells + 1) of the cells along each, in spreads.
        states: (cells, cells) how many states were learned from, by row of the second direction.
        windows: (windows, 2) where each of `Windows.places` begins.
    """

    axes: tuple[str, str]
    variance: tuple[float, float]
    edges: tuple[tuple[float, ...], tuple[float, ...]]
    states: tuple[tuple[int, ...], ...]
    windows: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class TrainingCurve:
    """A figure while a model was trained, by update."""

    name: str
    updates: tuple[int, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class RoundFigures:
    """What a round gave; see [`Round`][learned_envs.fit.round.Round]."""

    number: int
    real_steps: int
    error: float
    inside: float
    outside: float
    gap: float


@dataclass(frozen=True)
class RuleOf:
    """How an output of the environment comes about."""

    output: str
    numbers: int
    exact: int
    learned: int


@dataclass(frozen=True)
class Film:
    """A moving picture of a window: the real motion, and the predicted one over its ghost.

    Attributes:
        name: which window it is.
        told: what it shows, in words.
        seconds: how long the motion takes.
        picture: an animated WebP; only the page has it.
    """

    name: str
    told: str
    seconds: float
    picture: bytes = b""


@dataclass(frozen=True)
class Content:
    """All of a report.

    Attributes:
        title: what was fitted.
        written: when, UTC.
        version: of this package.
        condition: of the fit.
        told: that in a sentence, with what to do.
        facts: what was fitted, by name.
        use: lines to copy.
        verdicts: what the model is good enough for.
        errors: over the horizon.
        where: which episodes the figures below were measured on.
        channels: errors by joint and by channel.
        windows: disagreement against error.
        coverage: the data's map.
        films: real and predicted motion.
        curves: of the training.
        rounds: of recording, fitting and training an agent inside.
        rules: what is exact, learned or hosted, in a sentence.
        outputs: that by output.
        learned: what rules read that the model has to learn: mean squared error in variances.
        sources: how many steps each actor took.
        seconds: how long the data is in the robot's time.
        notes: what is known to be missing.
        left_out: what the report lacks and why, a sentence each.
    """

    title: str
    written: str
    version: str
    condition: Condition
    told: str
    facts: dict[str, str] = field(default_factory=dict)
    use: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    errors: tuple[Errors, ...] = ()
    where: str = ""
    channels: Channels | None = None
    windows: Windows | None = None
    coverage: Coverage | None = None
    films: tuple[Film, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    rounds: tuple[RoundFigures, ...] = ()
    rules: str = ""
    outputs: tuple[RuleOf, ...] = ()
    learned: dict[str, float | None] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Return what `report.json` holds: all but the pictures. What is not finite is null."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for film in plain["films"]:
            del film["picture"]
        return msgspec.json.format(msgspec.json.encode(plain), indent=1)
