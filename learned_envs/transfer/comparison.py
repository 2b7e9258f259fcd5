"""Agents trained inside, compared with the same agents trained outside, as a card keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any

from learned_envs.card import Entries


@dataclass(frozen=True)
class Comparison:
    """What agents trained inside are worth, compared with the same agents trained outside.

    >>> returns = {"inside": [110.0], "outside": [100.0], "trained_outside": [120.0]}
    >>> comparison = Comparison({"steps": 1000}, 20, [0], **returns, random=20.0, minutes={})
    >>> comparison.score, comparison.gap
    (0.8, 0.1)

    Every return is the mean over an agent's deterministic episodes. There is one for each seed.

    Attributes:
        agent: algorithm, environment steps and hyperparameters.
        episodes: how many each mean is of.
        seeds: of the trainings.
        inside: returns inside of the agents trained inside.
        outside: returns outside of the agents trained inside.
        trained_outside: returns outside of the agents trained outside.
        random: return outside of uniformly random actions.
        minutes: minutes of a training inside and of one outside; the mean over seeds.
    """

    agent: Mapping[str, Any]
    episodes: int
    seeds: Sequence[int]
    inside: Sequence[float]
    outside: Sequence[float]
    trained_outside: Sequence[float]
    random: float
    minutes: Mapping[str, float]

    COLUMNS = (
        "steps",
        "random",
        "trained outside",
        "trained inside, inside",
        "trained inside, outside",
        "score",
        "gap",
    )
    """The columns of `cells`."""

    @property
    def score(self) -> float | None:
        """(trained inside - random) / (trained outside - random), of mean returns outside.

        None if training outside gains nothing.
        """
        gain = fmean(self.trained_outside) - self.random
        return (fmean(self.outside) - self.random) / gain if gain > 0 else None

    @property
    def gap(self) -> float | None:
        """(inside - outside) / |outside|, of the agents trained inside; None if that is 0."""
        kept = fmean(self.outside)
        return (fmean(self.inside) - kept) / abs(kept) if kept else None

    def cells(self) -> tuple[str, ...]:
        """Return a row of a table: the returns of every seed, and their mean in brackets."""
        score = "none" if self.score is None else f"{self.score:.2f}"
        gap = "none" if self.gap is None else f"{self.gap:+.0%}"
        returns = (self.trained_outside, self.inside, self.outside)
        return (
            f"{self.agent['steps']:,}",
            shown(self.random),
            *(f"{' / '.join(map(shown, of))} ({shown(fmean(of))})" for of in returns),
            score,
            gap,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a card."""
        score = self.score
        return {**asdict(self), "score": None if score is None else round(score, 3)}

    @classmethod
    def of(cls, card: Entries) -> Comparison | None:
        """Read a card's returns; None if it has none, or only those of agents trained inside."""
        returns = card.returns
        if returns is None or returns.trained_outside is None:
            return None
        return cls(**{field.name: getattr(returns, field.name) for field in fields(cls)})


def shown(value: float) -> str:
    """Return a return with as many digits as matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
