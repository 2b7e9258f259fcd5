"""What stands for Python's built-in functions and types while an environment is traced."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.traced import Traced, traced
from learned_envs.rules.tracing.tracer import Tracer

Function = Callable[..., Any]

TYPES = (
    *("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool_"),
    *("double", "single", "intp", "bool", "int_", "longlong"),
)


def either(tracer: Tracer, plain: Function, numpy: Function) -> Function:
    """Return a function that hands traced values to numpy, and others to Python."""

    def substitute(*args: Any, **options: Any) -> Any:
        if not (traced(args) or traced(options)):
            return plain(*args, **options)
        return tracer.call(numpy, *args, **options)

    return substitute


def refused(name: str) -> Function:
    """Return a function that refuses to draw."""

    def substitute(*_: Any, **__: Any) -> Any:
        raise refusal(f"random numbers from {name} in a step", "draw them at reset and keep them")

    return substitute


def extreme(plain: Function, pairwise: np.ufunc) -> Function:
    """Return what stands for `min` or `max`."""

    def substitute(*args: Any, **options: Any) -> Any:
        if options or (not traced(args) and not any(isinstance(x, Iterator) for x in args)):
            return plain(*args, **options)
        values = list(args[0]) if len(args) == 1 else list(args)
        if not traced(values):
            return plain(values)
        result = values[0]
        for value in values[1:]:
            result = pairwise(result, value)
        return result

    return substitute


def sorting(tracer: Tracer) -> Function:
    """Return what stands for `sorted`."""

    def substitute(values: Any, /, **options: Any) -> Any:
        values = list(values)
        if options.get("key") is not None or not traced(values):
            return builtins.sorted(values, **options)
        ordered = list(tracer.call(np.sort, values))
        return ordered[::-1] if options.get("reverse") else ordered

    return substitute


def over_all(plain: Function, pairwise: np.ufunc) -> Function:
    """Return what stands for `any` or `all`."""

    def substitute(values: Any) -> Any:
        values = list(values)
        if not traced(values):
            return plain(values)
        result = values[0] != 0
        for value in values[1:]:
            result = pairwise(result, value)
        # Python's truth values are added as numbers, numpy's are not.
        return result * 1 if isinstance(result, Traced) else bool(result)

    return substitute


def is_instance(value: Any, kinds: Any) -> bool:
    """Do as `isinstance`, to which a traced value is what it stands for."""
    if isinstance(value, Traced):
        return isinstance(value, kinds) or isinstance(value.example, kinds)
    return isinstance(value, kinds)


def number_type(tracer: Tracer, kind: type) -> type:
    """Return what stands for a type of numbers: it converts traced values too."""

    class Meta(type(kind)):  # type: ignore[misc]
        def __call__(cls, *args: Any, **options: Any) -> Any:
            if not traced(args):
                return kind(*args, **options)
            value = tracer.lift(args[0])
            if value.size != 1 and kind in (float, int, bool):
                raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
            value = tracer.cast(value, np.dtype(kind))
            if kind is bool:
                # Python's truth values are added as numbers, numpy's are not.
                return value.item() * 1
            return value.item() if kind in (float, int, bool) or not value.shape else value

        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value.example if isinstance(value, Traced) else value, kind)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, kind)

        def __eq__(cls, other: object) -> bool:
            return other is cls or other is kind

        def __hash__(cls) -> int:
            return hash(kind)

        def __getattr__(cls, name: str) -> Any:
            return getattr(kind, name)

        def __repr__(cls) -> str:
            return repr(kind)

    content = (
        {}
        if kind is np.ndarray or (issubclass(kind, np.generic) and kind not in _CONCRETE)
        else {"dtype": np.dtype(kind)}
    )
    return Meta(kind.__name__, (), content)


_CONCRETE = {getattr(np, name) for name in TYPES if hasattr(np, name)}
