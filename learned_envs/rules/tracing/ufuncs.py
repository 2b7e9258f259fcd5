"""What numpy's functions of each number are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.refusal import refusal

if TYPE_CHECKING:
    from learned_envs.rules.tracing.traced import Traced
    from learned_envs.rules.tracing.tracer import Tracer

PRIMITIVE = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "power": "pow",
    "float_power": "pow",
    "maximum": "maximum",
    "minimum": "minimum",
    "arctan2": "atan2",
    "remainder": "remainder",
    "negative": "neg",
    "absolute": "abs",
    "fabs": "abs",
    "sign": "sign",
    "floor": "floor",
    "ceil": "ceil",
    "rint": "round",
    "sqrt": "sqrt",
    "exp": "exp",
    "log": "log",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "isfinite": "isfinite",
    "isnan": "isnan",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
}
"""numpy's name -> the operation's."""

LOGICAL = {
    "logical_and": "bitwise_and",
    "logical_or": "bitwise_or",
    "logical_not": "bitwise_not",
}

BITWISE = {
    "bitwise_and": "bitwise_and",
    "bitwise_or": "bitwise_or",
    "invert": "bitwise_not",
    "bitwise_xor": "bitwise_xor",
}

REDUCED = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "amax",
    "minimum": "amin",
    "logical_and": "all",
    "logical_or": "any",
}


def _xor(x: Any, y: Any) -> Any:
    return np.logical_and(np.logical_or(x, y), np.logical_not(np.logical_and(x, y)))


def _trunc(x: Any) -> Any:
    return np.where(x < 0, np.ceil(x), np.floor(x))


COMPOSED: dict[str, Callable[..., Any]] = {
    "positive": lambda x: x,
    "conjugate": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1.0 / x,
    "cbrt": lambda x: np.sign(x) * np.abs(x) ** (1.0 / 3.0),
    "exp2": lambda x: np.exp(x * np.log(2.0)),
    "expm1": lambda x: np.exp(x) - 1.0,
    "log2": lambda x: np.log(x) / np.log(2.0),
    "log10": lambda x: np.log(x) / np.log(10.0),
    "log1p": lambda x: np.log(1.0 + x),
    "logaddexp": lambda x, y: np.maximum(x, y) + np.log(1.0 + np.exp(-np.abs(x - y))),
    "arcsinh": lambda x: np.sign(x) * np.log(np.abs(x) + np.sqrt(x * x + 1.0)),
    "arccosh": lambda x: np.log(x + np.sqrt(x * x - 1.0)),
    "arctanh": lambda x: 0.5 * np.log((1.0 + x) / (1.0 - x)),
    "hypot": lambda x, y: np.sqrt(x * x + y * y),
    "trunc": _trunc,
    "floor_divide": lambda x, y: np.floor(x / y),
    "fmod": lambda x, y: x - y * _trunc(x / y),
    "fmax": lambda x, y: np.where(np.isnan(x), y, np.where(np.isnan(y), x, np.maximum(x, y))),
    "fmin": lambda x, y: np.where(np.isnan(x), y, np.where(np.isnan(y), x, np.minimum(x, y))),
    "copysign": lambda x, y: np.where(y < 0, -np.abs(x), np.abs(x)),
    "signbit": lambda x: x < 0,
    "heaviside": lambda x, y: np.where(x < 0, 0.0, np.where(x > 0, 1.0, y)),
    "isinf": lambda x: np.logical_not(np.logical_or(np.isfinite(x), np.isnan(x))),
    "deg2rad": lambda x: x * (np.pi / 180.0),
    "radians": lambda x: x * (np.pi / 180.0),
    "rad2deg": lambda x: x * (180.0 / np.pi),
    "degrees": lambda x: x * (180.0 / np.pi),
    "logical_xor": _xor,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "vecdot": lambda x, y: np.sum(x * y, axis=-1),
}
"""numpy's name -> the same of other functions of numpy's."""


def applied(
    tracer: Tracer, ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any]
) -> Any:
    """Write down a function of each number, or its reduction over dimensions.

    Raises:
        UntraceableRulesError: if it is not known here.
    """
    mask = options.pop("where", True)
    if mask is not True:
        if method != "__call__":
            raise refusal(f"np.{ufunc.__name__}.{method} with where=", "use np.where before it")
        return np.where(mask, ufunc(*inputs, **options), 0.0)
    dtype = options.pop("dtype", None)
    options = {key: value for key, value in options.items() if key not in ("casting", "order")}
    lifted = [tracer.lift(x) for x in inputs[:1]] if method != "__call__" else None
    with np.errstate(all="ignore"):
        if lifted is None:
            result = _called(tracer, ufunc, inputs)
        elif method == "reduce":
            result = _reduced(tracer, ufunc, lifted[0], *inputs[1:], **options)
        elif method == "outer":
            first, second = map(tracer.lift, inputs)
            result = ufunc(first.reshape(first.shape + (1,) * second.ndim), second)
        elif method == "accumulate":
            result = _accumulated(tracer, ufunc, lifted[0], *inputs[1:], **options)
        else:
            raise refusal(f"np.{ufunc.__name__}.{method}", "use np.sum, np.where or indices")
    return result if dtype is None else tracer.cast(result, np.dtype(dtype))


def _called(tracer: Tracer, ufunc: np.ufunc, inputs: Any) -> Any:
    name = ufunc.__name__
    x = [tracer.lift(each) for each in inputs]
    if name == "matmul":
        return np.dot(x[0], x[1]) if x[1].ndim <= 2 else _batched(tracer, *x)
    if name == "divmod":
        return np.floor_divide(*x), np.remainder(*x)
    # Numbers of Python's have no type that could widen the result's.
    example = ufunc(*(getattr(each, "example", each) for each in inputs))
    if name in PRIMITIVE:
        result = tracer.apply(PRIMITIVE[name], *x, example=example)
        result.storage.largest = _largest(tracer, name, x)
        return result
    if name in BITWISE and all(_is_logical(tracer, each) for each in x):
        name = BITWISE[name].replace("bitwise", "logical")
    if name in LOGICAL:
        nodes = [tracer.logical(each) for each in x]
        return tracer.made(tracer.builder.add(LOGICAL[name], *nodes), example)
    if name in COMPOSED:
        return tracer.checked(tracer.lift(COMPOSED[name](*x)), example, f"np.{name}")
    raise refusal(f"np.{name}", "write it with sums, products, powers, np.exp, np.where, ...")


def _largest(tracer: Tracer, name: str, x: list[Any]) -> int | None:
    """Return how large a whole number from 0 on may be; None if that is not known."""
    if name not in ("add", "multiply", "remainder") or any(each.dtype.kind == "f" for each in x):
        return None
    found = []
    for each in x:
        known = tracer.constant(each)
        whole = known is not None and np.ndim(known) == 0 and known >= 0
        found.append(int(known) if whole else 1 if each.dtype == bool else each.storage.largest)
    if name == "remainder":
        # The sign of a remainder is its divisor's.
        return found[1] - 1 if tracer.constant(x[1]) is not None and found[1] else None
    if None in found:
        return None
    return found[0] + found[1] if name == "add" else found[0] * found[1]


def _is_logical(tracer: Tracer, x: Any) -> bool:
    return x.dtype == bool or tracer.builder[x.node].op == "cast"


def _reduced(
    tracer: Tracer, ufunc: np.ufunc, x: Traced, axis: Any = 0, keepdims: bool = False, **rest: Any
) -> Any:
    name = ufunc.__name__
    if name not in REDUCED:
        raise refusal(f"np.{name}.reduce", "use np.sum, np.max, np.all, ...")
    initial = rest.pop("initial", None)
    example = ufunc.reduce(x.example, axis=axis, keepdims=keepdims)
    dims = range(x.ndim) if axis is None else axis
    node = tracer.logical(x) if name.startswith("logical") else tracer.number(x)
    result = tracer.made(tracer.builder.reduce(REDUCED[name], node, dims, keepdims), example)
    return result if initial in (None, np._NoValue) else ufunc(result, initial)


def _accumulated(tracer: Tracer, ufunc: np.ufunc, x: Traced, axis: int = 0, **_: Any) -> Any:
    parts = list(tracer.call(np.moveaxis, x, axis, 0))
    for place in range(1, len(parts)):
        parts[place] = ufunc(parts[place - 1], parts[place])
    return np.stack(parts, axis) if parts else x


def _batched(tracer: Tracer, x: Any, y: Any) -> Any:
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    if x.ndim < 2:
        raise refusal("a product of a vector and many matrices", "add a dimension to the vector")
    x, y = (np.broadcast_to(z, batch + z.shape[-2:]) for z in (x, y))
    example = np.matmul(x.example, y.example)
    return tracer.made(tracer.builder.add("matmul", tracer.number(x), tracer.number(y)), example)
