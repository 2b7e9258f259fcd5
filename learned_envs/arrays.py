"""Arrays that users pass in, checked and brought to where the simulation runs."""

from __future__ import annotations

import math
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

KINDS = {torch.float64: np.float64, torch.int64: np.float64}
"""What numbers are read as for tensors of each type, if not as float32."""


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
