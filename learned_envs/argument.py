"""What users pass in, checked and brought to where the simulation runs."""

from __future__ import annotations

import math
import reprlib
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.errors import (
    ActionError,
    ArgumentTypeError,
    LearnedEnvsError,
    ParameterError,
    ShapeError,
)

LARGEST = 2**63 - 1
"""The largest whole number that tensors and files hold."""

KINDS = {torch.float64: np.float64, torch.int64: np.float64}
"""What numbers are read as for tensors of each type, if not as float32."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


def shown(value: object) -> str:
    """Return what a message shows of a value, in one line that is not long."""
    return textwrap.shorten(reprlib.repr(value), 80)


def numbers(
    name: str,
    value: object,
    shape: tuple[int, ...],
    like: Tensor,
    error: type[ActionError] | type[ParameterError] = ParameterError,
    finite: bool = True,
) -> Tensor:
    """Return an array of any numeric type as a tensor with the dtype and device of `like`.

    Gradients flow through it.

    Args:
        name: what messages call it.
        value: numpy, torch, or nested lists.
        shape: the shape that it must have.
        like: a tensor of the simulation.
        error: what to raise if it is not numeric or not finite.
        finite: whether to check that it is finite, for which a GPU must be waited for.

    Raises:
        ShapeError: if it has another shape.
        ActionError: if it is not numeric or not finite and `error` says so.
        ParameterError: likewise.
    """
    if not isinstance(value, Tensor):
        kind = KINDS.get(like.dtype, np.float32)
        given = torch.from_numpy(array(name, value, shape, error, finite, kind))
        return given.to(like.device, like.dtype)
    if value.is_complex():
        raise _not_numeric(name, value.dtype, shape, error)
    _expect_shape(name, value, shape)
    tensor = value.to(like.device, like.dtype)
    if finite and not _is_finite(tensor.detach()):
        raise _not_finite(name, error)
    return tensor


def array(
    name: str,
    value: object,
    shape: tuple[int, ...],
    error: type[ActionError] | type[ParameterError] = ParameterError,
    finite: bool = True,
    kind: type[np.float32] | type[np.float64] = np.float32,
) -> NDArray[Any]:
    """Return numbers that are no torch tensor as a new float array of `kind`; see `numbers`."""
    try:
        given = np.asarray(value)
    except ValueError as ragged:
        raise error(f"Got {name} that is no array ({ragged}), expected {shape}.") from None
    if given.dtype.kind not in "biuf":
        raise _not_numeric(name, given.dtype, shape, error)
    _expect_shape(name, given, shape)
    with np.errstate(over="ignore"):
        result = given.astype(kind)
        if finite:
            # One product tells most often, and in a fraction of the time.
            flat = result.ravel()
            if not math.isfinite(flat.dot(flat)) and not np.isfinite(flat).all():
                raise _not_finite(name, error)
    return result


def _is_finite(tensor: Tensor) -> bool:
    try:
        # On the CPU, torch needs longer than numpy to tell.
        return bool(np.isfinite(tensor.cpu().numpy()).all())
    except RuntimeError:
        # Transforms such as torch.func.vmap show no values.
        return True


def _expect_shape(name: str, value: Any, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise ShapeError(f"Got {name} of shape {tuple(value.shape)}, expected {shape}.")


def _not_numeric(
    name: str, kind: object, shape: tuple[int, ...], error: type[LearnedEnvsError]
) -> LearnedEnvsError:
    return error(f"Got {name} of type {kind}, expected numbers in an array of {shape}.")


def _not_finite(name: str, error: type[LearnedEnvsError]) -> LearnedEnvsError:
    return error(
        f"Got {name} with NaN or infinite entries, expected finite float32 numbers. "
        "The environment is as it was; check what produced them."
    )


def mask(name: str, value: Any, count: int, device: torch.device) -> Tensor:
    """Return a mask of `count` bools on the device; the errors are those of SyncVectorEnv.

    Raises:
        ArgumentTypeError: if it is no numpy or torch array of bool.
        ShapeError: if it has another shape.
    """
    if not isinstance(value, (np.ndarray, Tensor)):
        raise ArgumentTypeError(
            f"Got {name} of type {type(value).__name__}, expected an array of bool."
        )
    if value.dtype not in (np.bool_, torch.bool):
        raise ArgumentTypeError(f"Got {name} of dtype {value.dtype}, expected bool.")
    _expect_shape(name, value, (count,))
    return torch.as_tensor(value, device=device)


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
