"""What recordings can tell: where joints were, how fast they move, and what explains that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import welch

from learned_envs.logs.finding import Finding
from learned_envs.logs.map import LogMap
from learned_envs.logs.states import PENDING, States
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch

POWER = 0.95
"""Of a spectrum, below the frequency that is named."""

TOLD = 3.0
"""Standard errors that a coefficient has at least, if it can be told from zero."""

SLOW, IDLE = 0.05, 0.5
"""Of its usual speed: slower joints rest; and the share of rows in which all do that is named."""

BINS = 20
"""Of a position's range, to see which were visited."""


@dataclass(frozen=True)
class Excitation:
    """What is known of a joint.

    Attributes:
        name: of it.
        visited: share of its range.
        frequency: Hz, below which its motion has most of its power.
        explained: share of its accelerations that a linear model explains.
        damping: of a model that is linear in velocity, 1/s, with its standard error.
        friction: the acceleration that changes sign with its velocity, with its standard error.
    """

    name: str
    visited: float
    frequency: float
    explained: float
    damping: tuple[float, float]
    friction: tuple[float, float]


def excitation(found: Sequence[Stretch], states: States) -> tuple[list[Excitation], float]:
    """Look at each joint, and say in which share of the rows nothing moves.

    Args:
        found: stretches.
        states: what makes states of them; its delay is known.
    """
    episodes = [e for e in states.episodes(found) if len(e.actions) > 2]
    if not episodes:
        return [], 0.0
    q = np.concatenate([e.qpos[:-1] for e in episodes])
    v = np.concatenate([e.qvel[:-1] for e in episodes])
    after = np.concatenate([e.qvel[1:] for e in episodes])
    acceleration = (after - v) / states.dt
    pending = [e.columns.get(PENDING) for e in episodes]
    nu = episodes[0].actions.shape[1]
    acted = np.concatenate(
        [e.actions if p is None else p[:-1, :nu] for e, p in zip(episodes, pending, strict=True)]
    )
    rests = np.abs(v) <= SLOW * np.sqrt(np.square(v).mean(0))
    names = [joint.name for joint in states.log_map.joints]
    first_q, first_v = (7, 6) if _has_base(states.log_map) else (0, 0)
    result = []
    for index, name in enumerate(names):
        i, j = first_q + index, first_v + index
        own = v[:, j]
        others = [q, np.sin(q), np.cos(q), acted, np.ones((len(q), 1))]
        x = np.concatenate([own[:, None], np.sign(own)[:, None], *others], 1)
        damping, friction, explained = _regressed(x, acceleration[:, j])
        longest = max(episodes, key=lambda e: len(e.qpos))
        result.append(
            Excitation(
                name,
                _visited(q[:, i], states.log_map.joints[index].limits),
                _frequency(longest.qvel[:, j], states.dt),
                explained,
                damping,
                friction,
            )
        )
    return result, float(rests.all(1).mean())


def excitation_findings(found: Sequence[Excitation], idle: float) -> Iterator[Finding]:
    """Say what the recordings cannot tell."""
    if idle > IDLE:
        yield Finding(
            "warning",
            "",
            f"nothing moves in {idle:.0%} of the rows, so that most of a fit goes into rest",
            "leave idle times out: a pause between rows ends an episode",
        )
    for each in found:
        value, error = each.damping
        if abs(value) < TOLD * error:
            yield Finding(
                "note",
                each.name,
                f"too little excitation to tell its damping: {-value:.3g} +- {error:.2g} 1/s",
                "record it in faster motion, if its damping matters",
            )
        if each.visited < 0.25:
            yield Finding(
                "warning",
                each.name,
                f"visits {each.visited:.0%} of its range: the rest is out of the model's support",
                "record it over the range that it is to be used in",
            )


def _regressed(x: Array, y: Array) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return the first two coefficients with their standard errors, and what is explained."""
    scale = x.std(0)
    scale[scale == 0] = 1.0
    x = x / scale
    inverse = np.linalg.pinv(x.T @ x, rcond=1e-10)
    coefficients = inverse @ (x.T @ y)
    rest = y - x @ coefficients
    variance = float(rest.var()) * np.diag(inverse)
    errors = np.sqrt(np.maximum(variance, 0.0)) / scale
    told = coefficients / scale
    explained = 1.0 - float(rest.var()) / max(float(y.var()), 1e-30)
    return (
        (float(told[0]), float(errors[0])),
        (float(told[1]), float(errors[1])),
        explained,
    )


def _visited(values: Array, limits: tuple[float, float] | None) -> float:
    """Return the share of bins of a range that hold values; of turns if there is no range."""
    low, high = limits or (float(values.min()), float(values.max()))
    counts, _ = np.histogram(values, BINS, (low, high) if low < high else (low - 1, low + 1))
    return float((counts > 0).mean())


def _frequency(speeds: Array, dt: float) -> float:
    """Return the frequency below which a motion has most of its power, Hz."""
    at, power = welch(speeds, 1.0 / dt, nperseg=min(len(speeds), 256))
    total = np.cumsum(power)
    if not total[-1]:
        return 0.0
    return float(at[int(np.searchsorted(total, POWER * total[-1]))])


def _has_base(log_map: LogMap) -> bool:
    return log_map.base is not None and log_map.base.position is not None
