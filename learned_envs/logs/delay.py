"""How many steps after an action its effect begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learned_envs.logs.stream import Array

ORDER = 3
"""Positions before this one that the next is predicted from, beside actions."""

LATEST = 12
"""Steps of the longest delay that is looked for."""

NOTICED = 0.2
"""Of the strongest action's effect: weaker ones before it are leaks of resampling."""

LUCK, EXPLAINED = 2.0, 0.02
"""Actions that say nothing explain a share of one dimension by chance; at most so many times what
is expected, and this."""

DRAWS = 50
"""Resamplings of the blocks that the confidence is the share of."""

BLOCK = 100
"""Steps that are drawn together."""


Products = tuple[Array, Array, Array, int]
"""Of what is predicted from: with itself, with what is predicted; squares of that; and rows."""


@dataclass(frozen=True)
class Delay:
    """When actions have their effect.

    Attributes:
        steps: after which an action is felt; 0 if it moves the very next state.
        confidence: share of resamplings of the recording that say the same.
        effect: (LATEST + 1,) how much actions of so many steps before help to predict.
    """

    steps: int
    confidence: float
    effect: Array


Rows = tuple[Array, Array, Array]
"""Seconds (n,), positions (n, nq) and actions (n, nu): action i was told at position i."""


def find_delay(episodes: Sequence[Rows], draws: int = DRAWS) -> Delay | None:
    """Find the delay of recorded episodes.

    How far the next positions are from a straight line is regressed on positions and on the actions
    of many steps. The first action that stands out has the first effect. Positions are as they
    were measured: what is smoothed or resampled knows of what comes.

    Args:
        episodes: rows without a pause.
        draws: resamplings.

    Returns:
        The delay; None if there are no actions, or they explain nothing.
    """
    blocks = [block for rows in episodes for block in _blocks(*rows)]
    if not blocks or not blocks[0][2].shape[1]:
        return None
    stacked = [_stacked(*block) for block in blocks]
    products = [(x.T @ x, x.T @ y, np.square(y).sum(0), len(x)) for x, y in stacked]
    nu = episodes[0][2].shape[1]
    found = _effects(products, nu)
    if found is None:
        return None
    rng = np.random.default_rng(0)
    said = []
    for _ in range(draws):
        drawn = rng.integers(len(products), size=len(products))
        effects = _effects([products[i] for i in drawn], nu)
        said.append(-1 if effects is None else _first(effects))
    steps = _first(found)
    return Delay(steps, float(np.mean(np.array(said) == steps)), found)


def _blocks(time: Array, q: Array, u: Array) -> list[Rows]:
    """Cut an episode into blocks that overlap by what one row needs."""
    length = BLOCK + LATEST + 1
    starts = range(0, len(q) - LATEST - 2, BLOCK)
    return [(time[i : i + length], q[i : i + length], u[i : i + length]) for i in starts]


def _stacked(time: Array, q: Array, u: Array) -> tuple[Array, Array]:
    """Return what each next position is predicted from, and how far it is from a straight line."""
    rows = np.arange(LATEST, len(q) - 1)
    steps = np.diff(time)
    speed = np.diff(q, axis=0) / steps[:, None]
    usual = float(np.median(steps))
    y = q[rows + 1] - q[rows] - speed[rows - 1] * steps[rows, None]
    before = [speed[rows - lag - 1] * usual for lag in range(ORDER)]
    place = [np.ones((len(rows), 1)), q[rows], np.sin(q[rows]), np.cos(q[rows])]
    acted = [u[rows - lag] for lag in range(LATEST + 1)]
    return np.concatenate([*acted, *before, *place], 1), y


def _effects(products: Sequence[Products], nu: int) -> Array | None:
    """Return how much of what is left unexplained actions of each lag explain, (LATEST + 1,).

    None if all together explain no more than as many random columns may.
    """
    xx = np.sum([p[0] for p in products], 0)
    xy = np.sum([p[1] for p in products], 0)
    yy = np.sum([p[2] for p in products], 0)
    scale = np.sqrt(np.diag(xx)) + 1e-12
    xx, xy = xx / np.outer(scale, scale), xy / scale[:, None]
    ridge = 1e-9 * np.eye(len(xx))
    everything = _left(xx + ridge, xy, yy)
    without = np.ones(len(xx), dtype=bool)
    without[: nu * (LATEST + 1)] = False
    alone = _left((xx + ridge)[without][:, without], xy[without], yy)
    by_chance = nu * (LATEST + 1) / sum(p[3] for p in products)
    if (1.0 - everything / np.maximum(alone, 1e-30)).max() < LUCK * by_chance + EXPLAINED:
        return None
    effects = []
    for lag in range(LATEST + 1):
        kept = np.ones(len(xx), dtype=bool)
        kept[lag * nu : (lag + 1) * nu] = False
        rest = _left((xx + ridge)[kept][:, kept], xy[kept], yy)
        effects.append(float(((rest - everything) / np.maximum(alone, 1e-30)).sum()))
    return np.array(effects)


def _left(xx: Array, xy: Array, yy: Array) -> Array:
    """Return the squares that a regression leaves, for each dimension."""
    return np.asarray(yy - np.einsum("ij,ij->j", xy, np.linalg.solve(xx, xy)))


def _first(effects: Array) -> int:
    return int(np.argmax(effects >= NOTICED * effects.max()))
