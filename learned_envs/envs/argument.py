"""What users pass in, checked and brought to where the simulation runs."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.errors import ActionError, LearnedEnvsError, ParameterError, ShapeError


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
        tensor = torch.from_numpy(array(name, value, shape, error, finite))
        return tensor.to(like.device, like.dtype)
    if value.is_complex():
        raise _not_numeric(name, value.dtype, shape, error)
    _expect_shape(name, value, shape)
    tensor = value.to(like.device, like.dtype)
    # On the CPU, torch needs longer than numpy to tell.
    if finite and not np.isfinite(tensor.detach().cpu().numpy()).all():
        raise _not_finite(name, error)
    return tensor


def array(
    name: str,
    value: object,
    shape: tuple[int, ...],
    error: type[ActionError] | type[ParameterError] = ParameterError,
    finite: bool = True,
) -> NDArray[np.float32]:
    """Return numbers that are no torch tensor as a new float32 array; see `numbers`."""
    try:
        given = np.asarray(value)
    except ValueError as ragged:
        raise error(f"Got {name} that is no array ({ragged}), expected {shape}.") from None
    if given.dtype.kind not in "biuf":
        raise _not_numeric(name, given.dtype, shape, error)
    _expect_shape(name, given, shape)
    with np.errstate(over="ignore"):
        result = given.astype(np.float32)
        if finite:
            # One product tells most often, and in a fraction of the time.
            flat = result.ravel()
            if not math.isfinite(flat.dot(flat)) and not np.isfinite(flat).all():
                raise _not_finite(name, error)
    return result


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
        TypeError: if it is no numpy or torch array of bool.
        ShapeError: if it has another shape.
    """
    if not isinstance(value, (np.ndarray, Tensor)):
        raise TypeError(f"Got {name} of type {type(value).__name__}, expected an array of bool.")
    if value.dtype not in (np.bool_, torch.bool):
        raise TypeError(f"Got {name} of dtype {value.dtype}, expected bool.")
    if tuple(value.shape) != (count,):
        raise ShapeError(f"Got {name} of shape {tuple(value.shape)}, expected {(count,)}.")
    return torch.as_tensor(value, device=device)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is a number and not a bool."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
