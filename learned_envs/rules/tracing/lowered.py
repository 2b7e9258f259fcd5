"""Functions of numpy's that compute, in terms of those that are known already."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.traced import Traced

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer

LOWERED: dict[Callable[..., Any], Callable[..., Any]] = {}
"""numpy's function -> the same for traced arrays, with who writes it down before its arguments."""


def lowers(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what stands for functions of numpy's."""

    def registered(lowering: Callable[..., Any]) -> Callable[..., Any]:
        LOWERED.update(dict.fromkeys(functions, lowering))
        return lowering

    return registered


def _reduction(ufunc: np.ufunc) -> Callable[..., Any]:
    def lowering(
        tracer: Tracer, a: Any, axis: Any = None, keepdims: bool = False, **options: Any
    ) -> Any:
        mask = options.pop("where", None)
        if mask is not None:
            a = np.where(mask, tracer.lift(a), float(ufunc.identity))
        return ufunc.reduce(tracer.lift(a), axis=axis, keepdims=keepdims, **options)

    return lowering


lowers(np.sum)(_reduction(np.add))
lowers(np.prod)(_reduction(np.multiply))
lowers(np.max, np.amax)(_reduction(np.maximum))
lowers(np.min, np.amin)(_reduction(np.minimum))
lowers(np.all)(_reduction(np.logical_and))
lowers(np.any)(_reduction(np.logical_or))


@lowers(np.nansum)
def _nansum(tracer: Tracer, a: Any, axis: Any = None, **options: Any) -> Any:
    a = tracer.lift(a)
    return np.sum(np.where(np.isnan(a), 0.0, a), axis, **options)


@lowers(np.mean)
def _mean(tracer: Tracer, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    a = tracer.lift(a)
    total = np.sum(a, axis, keepdims=keepdims)
    return total / (a.size / max(total.size, 1))


@lowers(np.average)
def _average(tracer: Tracer, a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return np.mean(tracer.lift(a), axis)
    a, weights = tracer.lift(a), tracer.lift(weights)
    if axis is not None and weights.ndim == 1:
        shape = [1] * a.ndim
        shape[axis] = weights.size
        weights = weights.reshape(shape)
    return np.sum(a * weights, axis) / np.sum(weights + 0.0 * a, axis)


@lowers(np.var)
def _var(
    tracer: Tracer, a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, **_: Any
) -> Any:
    a = tracer.lift(a)
    apart = a - np.mean(a, axis, keepdims=True)
    total = np.sum(apart * apart, axis, keepdims=keepdims)
    return total / (a.size / max(total.size, 1) - ddof)


@lowers(np.std)
def _std(tracer: Tracer, a: Any, axis: Any = None, **options: Any) -> Any:
    return np.sqrt(np.var(tracer.lift(a), axis, **options))


@lowers(np.ptp)
def _ptp(tracer: Tracer, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    a = tracer.lift(a)
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


@lowers(np.count_nonzero)
def _count(tracer: Tracer, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(tracer.lift(a) != 0, axis, keepdims=keepdims)


@lowers(np.clip)
def _clip(tracer: Tracer, a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Any:
    low, high = options.get("min", a_min), options.get("max", a_max)
    a = tracer.lift(a)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@lowers(np.round, np.around)
def _round(tracer: Tracer, a: Any, decimals: int = 0) -> Any:
    scale = 10.0**decimals
    return np.rint(a) if decimals == 0 else np.rint(tracer.lift(a) * scale) / scale


@lowers(np.fix)
def _fix(tracer: Tracer, x: Any) -> Any:
    return np.trunc(tracer.lift(x))


@lowers(np.where)
def _where(tracer: Tracer, condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise refusal(
            "np.where with a condition alone, which gives indices that depend on the state",
            "give it the values for both cases, or sum the condition",
        )
    mask, yes, no = map(tracer.lift, (condition, x, y))
    # A way may have examples that its condition excludes, and so they say the type alone.
    example = np.where(mask.example, yes.example, no.example)
    nodes = (tracer.logical(mask), yes.node, no.node)
    return tracer.made(tracer.builder.where(*nodes), example)


@lowers(np.select)
def _select(tracer: Tracer, condlist: Any, choicelist: Any, default: Any = 0.0) -> Any:
    result = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = np.where(tracer.lift(condition), choice, result)
    return result


@lowers(np.isclose)
def _isclose(
    tracer: Tracer, a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    x, y = tracer.lift(a), tracer.lift(b)
    near = np.logical_and(np.isfinite(y), np.abs(x - y) <= atol + rtol * np.abs(y))
    same = np.logical_or(near, x == y)
    return np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y))) if equal_nan else same


@lowers(np.allclose)
def _allclose(tracer: Tracer, *args: Any, **options: Any) -> Any:
    return np.all(_isclose(tracer, *args, **options))


@lowers(np.array_equal, np.array_equiv)
def _array_equal(tracer: Tracer, a1: Any, a2: Any, **_: Any) -> Any:
    x, y = tracer.lift(a1), tracer.lift(a2)
    return np.all(x == y) if x.shape == y.shape else False


@lowers(np.nan_to_num)
def _nan_to_num(
    tracer: Tracer,
    x: Any,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Any:
    x = tracer.lift(x)
    most = np.finfo(np.float64).max
    high = most if posinf is None else posinf
    low = -most if neginf is None else neginf
    infinite = np.where(x > 0, high, low)
    return np.where(np.isnan(x), nan, np.where(np.isfinite(x), x, infinite))


@lowers(np.diff)
def _diff(tracer: Tracer, a: Any, n: int = 1, axis: int = -1, **ends: Any) -> Any:
    x = tracer.lift(a)
    parts = [ends[name] for name in ("prepend", "append") if ends.get(name) is not None]
    if parts:
        shape = list(x.shape)
        shape[axis] = 1
        sides = {
            k: np.broadcast_to(tracer.lift(v), shape) if np.ndim(v) == 0 else v
            for k, v in ends.items()
        }
        joined = [sides.get("prepend"), x, sides.get("append")]
        x = np.concatenate([part for part in joined if part is not None], axis)
    for _ in range(n):
        x = np.moveaxis(x, axis, 0)
        x = np.moveaxis(x[1:] - x[:-1], 0, axis)
    return x


@lowers(np.cumsum, np.cumprod)
def _cumulated(tracer: Tracer, a: Any, axis: int | None = None) -> Any:
    x = tracer.lift(a)
    return np.add.accumulate(x.ravel() if axis is None else x, axis or 0)


lowers(np.cumprod)(
    lambda tracer, a, axis=None: np.multiply.accumulate(
        tracer.lift(a).ravel() if axis is None else tracer.lift(a), axis or 0
    )
)


@lowers(np.interp)
def _interp(tracer: Tracer, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    x, xp, fp = map(tracer.lift, (x, xp, fp))
    result = fp[0] + 0.0 * x if left is None else np.where(x < xp[0], left, fp[0])
    for k in range(1, xp.size):
        inside = fp[k - 1] + (fp[k] - fp[k - 1]) / (xp[k] - xp[k - 1]) * (x - xp[k - 1])
        result = np.where(x > xp[k - 1], inside, result)
    return np.where(
        x >= xp[-1], fp[-1] if right is None else np.where(x > xp[-1], right, fp[-1]), result
    )


@lowers(np.full)
def _full(tracer: Tracer, shape: Any, fill_value: Any, **_: Any) -> Any:
    return np.broadcast_to(tracer.lift(fill_value), shape).copy()


@lowers(np.pad)
def _pad(tracer: Tracer, array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    value = options.pop("constant_values", 0.0)
    if mode not in ("constant", "edge", "wrap", "reflect") or np.ndim(value):
        raise refusal(f"np.pad with mode={mode!r}", "join arrays by np.concatenate")
    padded = tracer.structural(np.pad, (tracer.lift(array) - value,), pad_width, mode=mode)
    return padded + value


@lowers(np.zeros_like, np.empty_like)
def _zeros_like(tracer: Tracer, a: Any, shape: Any = None, **_: Any) -> Any:
    return Traced(tracer.stored(np.zeros_like(a.example, shape=shape)))


@lowers(np.ones_like)
def _ones_like(tracer: Tracer, a: Any, shape: Any = None, **_: Any) -> Any:
    return Traced(tracer.stored(np.ones_like(a.example, shape=shape)))


@lowers(np.full_like)
def _full_like(tracer: Tracer, a: Any, fill_value: Any, shape: Any = None, **_: Any) -> Any:
    like = tracer.lift(a)
    result = Traced(tracer.stored(np.zeros_like(like.example, shape=shape)))
    result[...] = fill_value
    return result


@lowers(np.copy, np.array, np.asarray, np.ascontiguousarray, np.asanyarray, np.real)
def _array(tracer: Tracer, a: Any, *_: Any, copy: bool = True, ndmin: int = 0, **__: Any) -> Any:
    array = Traced(tracer.lift(a).storage, tracer.lift(a).ids)
    return array.reshape((1,) * max(ndmin - array.ndim, 0) + array.shape)


lowers(np.copy, np.array)(lambda tracer, a, *_, **options: _array(tracer, a, **options).copy())
lowers(np.shape)(lambda tracer, a: tracer.lift(a).shape)
lowers(np.isscalar)(lambda tracer, element: getattr(element, "scalar", True))
lowers(np.ndim)(lambda tracer, a: tracer.lift(a).ndim)
lowers(np.size)(
    lambda tracer, a, axis=None: tracer.lift(a).size if axis is None else tracer.lift(a).shape[axis]
)
lowers(np.may_share_memory, np.shares_memory)(
    lambda tracer, a, b, *_: tracer.lift(a).storage is tracer.lift(b).storage
)
lowers(np.iscomplexobj)(lambda tracer, x: False)
lowers(np.isrealobj)(lambda tracer, x: True)
