"""What is first, in the middle, or at a place that depends on the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.lowered import lowers
from learned_envs.rules.tracing.refusal import refusal

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer

MOST_SORTED = 16
"""Numbers that are sorted: by as many comparisons as half their square."""


@lowers(np.choose)
def _choose(tracer: Tracer, a: Any, choices: Any) -> Any:
    """Pick a row, by comparing its place with every place."""
    rows, place = tracer.lift(choices), tracer.lift(a)
    if place.shape:
        raise refusal("np.choose with more than one index", "choose for each alone")
    place = np.where(place < 0, place + len(rows), place)
    picked = (np.arange(len(rows)) == place).reshape(-1, 1)
    table = np.where(picked, rows.reshape(len(rows), -1), 0.0)
    return np.sum(table, axis=0).reshape(rows.shape[1:])[()]


@lowers(np.sort)
def _sort(tracer: Tracer, a: Any, axis: int | None = -1, **_: Any) -> Any:
    x = tracer.lift(a)
    rows = x.ravel() if axis is None else np.moveaxis(x, axis, 0)
    if len(rows) > MOST_SORTED:
        raise refusal(f"np.sort of {len(rows)} numbers", f"sort at most {MOST_SORTED}, or none")
    parts = list(rows)
    # Neighbours change places until all are in order, whatever they were.
    for turn in range(len(parts)):
        for first in range(turn % 2, len(parts) - 1, 2):
            one, other = parts[first : first + 2]
            parts[first], parts[first + 1] = np.minimum(one, other), np.maximum(one, other)
    return np.stack(parts, 0 if axis is None else axis) if parts else x


@lowers(np.median)
def _median(tracer: Tracer, a: Any, axis: int | None = None) -> Any:
    ordered = _sort(tracer, a, axis)
    size = ordered.shape[0 if axis is None else axis]
    middle = np.take(ordered, [(size - 1) // 2, size // 2], axis or 0)
    return np.mean(middle, axis or 0)


def _first(ufunc: np.ufunc) -> Callable[..., Any]:
    def lowering(tracer: Tracer, a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        x = tracer.lift(a)
        x = x.ravel() if axis is None else np.moveaxis(x, axis, -1)
        best = ufunc.reduce(x, axis=-1, keepdims=True)
        size = x.shape[-1]
        first = tracer.lift(np.min(np.where(x == best, np.arange(size), size - 1), axis=-1))
        first.storage.largest = size - 1
        return first

    return lowering


lowers(np.argmax)(_first(np.maximum))
lowers(np.argmin)(_first(np.minimum))
