"""What users pass in, one value at a time, checked; `arrays.py` checks arrays."""

from __future__ import annotations

import math
import os
import reprlib
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs.errors import ArgumentTypeError, ParameterError, ShapeError

LARGEST = 2**63 - 1
"""The largest whole number that tensors and files hold."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


def shown(value: object) -> str:
    """Return what a message shows of a value, in one line that is not long."""
    return textwrap.shorten(reprlib.repr(value), 80)


def count(name: str, value: object, least: int = 1, most: int | None = LARGEST) -> int:
    """Return a whole number from `least` to `most`; bools and floats are none.

    Raises:
        ParameterError: if it is none.

    Examples:
        >>> count("num_envs", np.int64(3))
        3
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        given = int(value)
        if least <= given and (most is None or given <= most):
            return given
    above = "" if most in (None, LARGEST) else f" and at most {most}"
    raise ParameterError(
        f"Got {name}={shown(value)}, expected a whole number that is at least {least}{above}."
    )


def number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, finite: bool = True
) -> float:
    """Return a number from `low` to `high`; bools are none.

    Raises:
        ParameterError: if it is none, or NaN.

    Examples:
        >>> number("start_fraction", 1, 0, 1)
        1.0
    """
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        with suppress(OverflowError):
            given = float(value)
            if low <= given <= high and not (finite and abs(given) > FLOAT32_MAX):
                return given
    kind = "a finite number" if finite else "a number"
    bounds = "" if low == -math.inf else f" that is at least {low:g}"
    bounds += "" if high == math.inf else f" and at most {high:g}"
    raise ParameterError(f"Got {name}={shown(value)}, expected {kind}{bounds}.")


def flag(name: str, value: object) -> bool:
    """Return a bool.

    Raises:
        ParameterError: if it is none.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"Got {name}={shown(value)}, expected True or False.")
    return bool(value)


def interval(name: str, value: object) -> tuple[float, float]:
    """Return a range, two numbers of which the first is the smaller one; they may be infinite.

    Raises:
        ParameterError: if it is none.

    Examples:
        >>> interval("healthy_z_range", [0.7, np.inf])
        (0.7, inf)
    """
    if isinstance(value, (tuple, list, np.ndarray)):
        # What has no two entries is a TypeError or a ValueError.
        with suppress(TypeError, ValueError):
            low, high = (number(name, end, finite=False) for end in value)
            if low < high:
                return low, high
    raise ParameterError(
        f"Got {name}={shown(value)}, expected two numbers, the smaller one first, "
        "such as (0.5, 2.0)."
    )


def choice(name: str, value: object, known: Sequence[str]) -> str:
    """Return one of the words that are known.

    Raises:
        ParameterError: if it is another value.
    """
    if not isinstance(value, str) or value not in known:
        words = ", ".join(repr(word) for word in known)
        raise ParameterError(f"Got {name}={shown(value)}, expected one of {words}.")
    return value


def instance(name: str, value: object, *kinds: type) -> None:
    """Check that a value is of one of the types.

    Raises:
        ArgumentTypeError: if it is of another.
    """
    if not isinstance(value, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise ArgumentTypeError(f"Got {name}={shown(value)}, expected a {known}.")


def path(name: str, value: object) -> Path:
    """Return a path.

    Raises:
        ArgumentTypeError: if it is none.
    """
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise ArgumentTypeError(f"Got {name}={shown(value)}, expected a path.")


def function(name: str, value: object) -> None:
    """Check that a value can be called.

    Raises:
        ArgumentTypeError: if it cannot.
    """
    if not callable(value):
        raise ArgumentTypeError(f"Got {name}={shown(value)}, expected what can be called.")


def seed(name: str, value: object) -> int | None:
    """Return a seed: a whole number that is not negative, however large, or None.

    Raises:
        ParameterError: if it is neither.
    """
    return None if value is None else count(name, value, 0, None)


def seeds(value: object, count: int) -> int | list[int] | None:
    """Return one seed, or those that are given in a list of `count`; None if there are none.

    Raises:
        ShapeError: if the list has another length.
        ParameterError: if one is no whole number, or is negative.
    """
    if not isinstance(value, (list, tuple, np.ndarray)):
        return seed("seed", value)
    if (isinstance(value, np.ndarray) and value.ndim != 1) or len(value) != count:
        raise ShapeError(f"Got seed={shown(value)}, expected one seed, or {count} of them.")
    each = [seed("seed", entry) for entry in value]
    return [entry for entry in each if entry is not None] or None


def options(value: object) -> Mapping[str, Any]:
    """Return the options of a reset, none if None.

    Raises:
        ArgumentTypeError: if it is no mapping.
    """
    if value is not None and not isinstance(value, Mapping):
        raise ArgumentTypeError(f"Got options={shown(value)}, expected a dictionary or None.")
    return value or {}


def unexpected(owner: str, names: Sequence[str], known: Sequence[str], hint: str = "") -> Exception:
    """Return the error for arguments that `owner` does not take.

    It begins in Python's words, because libraries look for them.
    """
    rest = f" It does not take {', '.join(names[1:])} either." if names[1:] else ""
    return ArgumentTypeError(
        f"{owner} got an unexpected keyword argument {names[0]!r}.{rest} It takes "
        f"{', '.join(sorted(known))}.{hint}"
    )
