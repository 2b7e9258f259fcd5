"""What stands for numpy, math and Python's built-in functions while an environment is traced."""

from __future__ import annotations

import builtins
import math
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from learned_envs.rules.tracing.builtin import (
    TYPES,
    either,
    extreme,
    is_instance,
    number_type,
    over_all,
    refused,
    sorting,
)
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.storage import LARGEST, Storage
from learned_envs.rules.tracing.traced import Traced, traced
from learned_envs.rules.tracing.tracer import Tracer

Function = Callable[..., Any]


class Substitute(ModuleType):
    """A module some of whose content is replaced."""

    def __init__(self, module: ModuleType, content: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(content)
        self.__dict__["_module"] = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)


class _Handed:
    """A function of numpy's that also takes lists of traced values."""

    def __init__(self, tracer: Tracer, function: Function) -> None:
        self._tracer, self._function = tracer, function

    def __call__(self, *args: Any, **options: Any) -> Any:
        if traced(args) or traced(options):
            return self._tracer.call(self._function, *args, **options)
        return self._function(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


class _Joining:
    """Stands for `np.r_` or `np.c_`."""

    def __init__(self, tracer: Tracer, original: Any, join: Function) -> None:
        self._tracer, self._original, self._join = tracer, original, join

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not traced(parts):
            return self._original[key]
        arrays = [
            self._tracer.lift(self._original[part] if isinstance(part, slice) else part)
            for part in parts
        ]
        return self._tracer.call(
            self._join, [array.reshape(-1) if not array.ndim else array for array in arrays]
        )


class Guard:
    """Stands for a source of random numbers: it refuses whatever is asked of it."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refusal(
            f"random numbers from {self.__dict__['_name']}.{name} in a step",
            "draw them at reset and keep them, or leave them out",
        )


MATH = {
    **{name: name for name in ("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin")},
    **{name: name for name in ("cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "trunc")},
    **{name: name for name in ("hypot", "fmod", "isfinite", "isnan", "isinf", "copysign", "cbrt")},
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "fabs": "abs"},
    **{"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "pow": "power"},
    **{"radians": "radians", "degrees": "degrees", "prod": "prod", "fsum": "sum", "exp2": "exp2"},
}
"""Name in `math` -> numpy's."""

CLASSES = ("Generator", "RandomState", "BitGenerator", "Random", "PCG64", "SeedSequence")
"""Of sources of random numbers, which code may ask for by isinstance()."""

CREATE = (
    *("zeros", "ones", "empty", "full", "eye", "identity", "arange", "linspace", "array"),
    *("asarray", "asanyarray", "ascontiguousarray", "copy", "zeros_like", "ones_like"),
    *("empty_like", "full_like"),
)
"""Functions of numpy's whose arrays may be written into later."""


def substitutes(tracer: Tracer) -> tuple[dict[int, Any], dict[str, Any]]:
    """Return what `replaced` takes: substitutes by the object's id, and by the built-in's name."""
    table: dict[int, Any] = {}

    def stand(original: Any, substitute: Any) -> Any:
        table[id(original)] = substitute
        return substitute

    def handed(function: Function) -> Function:
        return _Handed(tracer, function)

    def made(function: Function) -> Function:
        def substitute(*args: Any, **options: Any) -> Any:
            if traced(args) or traced(options):
                return tracer.call(function, *args, **options)
            found = function(*args, **options)
            return Traced(tracer.stored(found)) if found.dtype.kind in "bifu" else found

        return substitute

    def functions(module: ModuleType) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name in dir(module):
            value = getattr(module, name)
            plain = callable(value) and not isinstance(value, type | np.ufunc)
            if name.startswith("_") or not (plain or isinstance(value, np.ufunc)):
                continue
            substitute = (made if name in CREATE and module is np else handed)(value)
            content[name] = stand(value, substitute)
        return content

    numpy = functions(np)
    numpy["linalg"] = stand(np.linalg, Substitute(np.linalg, functions(np.linalg)))
    numpy["random"] = stand(np.random, Guard("np.random"))
    for name in TYPES:
        if isinstance(kind := getattr(np, name, None), type):
            numpy[name] = stand(kind, number_type(tracer, kind))
    numpy["ndarray"] = stand(np.ndarray, number_type(tracer, np.ndarray))
    for kind in (np.floating, np.integer, np.number, np.generic):
        numpy[kind.__name__] = stand(kind, number_type(tracer, kind))
    numpy["r_"] = stand(np.r_, _Joining(tracer, np.r_, np.concatenate))
    numpy["c_"] = stand(np.c_, _Joining(tracer, np.c_, np.column_stack))
    stand(np, Substitute(np, numpy))

    content = {}
    for name, other in MATH.items():
        if (original := getattr(math, name, None)) is not None:
            content[name] = stand(original, either(tracer, original, getattr(np, other)))
    content["isclose"] = stand(math.isclose, _near)
    stand(math, Substitute(math, content))
    stand(random, Guard("random"))
    for module in (random, np.random):
        for name in dir(module):
            value = getattr(module, name)
            if not name.startswith("_") and callable(value) and name not in CLASSES:
                stand(value, refused(f"{module.__name__}.{name}"))

    names: dict[str, Any] = {
        "float": number_type(tracer, float),
        "int": number_type(tracer, int),
        "bool": number_type(tracer, bool),
        "isinstance": is_instance,
        "min": extreme(builtins.min, np.minimum),
        "max": extreme(builtins.max, np.maximum),
        "sorted": sorting(tracer),
        "any": over_all(builtins.any, np.logical_or),
        "all": over_all(builtins.all, np.logical_and),
    }
    return table, names


def constants(tracer: Tracer) -> Function:
    """Return what puts traced arrays in the place of a module's own."""
    storages: dict[int, Storage] = {}

    def stands(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "bifu":
            return value
        if value.size > LARGEST:
            return value
        if id(value) not in storages:
            storages[id(value)] = tracer.stored(value)
            storages[id(value)].locked = "a value written into an array of a module|copy it first"
        return Traced(storages[id(value)])

    return stands


def _near(x: Any, y: Any, *, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> Any:
    """Compare as `math.isclose` does, whose tolerances are not numpy's."""
    size = np.maximum(np.abs(x), np.abs(y))
    return np.abs(x - y) <= np.maximum(rel_tol * size, abs_tol)
