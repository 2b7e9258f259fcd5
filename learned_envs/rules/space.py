"""Spaces of observations and actions as plain data."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from gymnasium.spaces import Box, Dict, Space
from msgspec import Meta
from numpy.typing import NDArray

from learned_envs.errors import RulesError

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Size = Annotated[int, Meta(ge=0, le=100_000)]
MOST = 1_000_000
"""Numbers of an array."""

Bound = float | Literal["inf", "-inf"]
"""JSON has no number for what is not bounded."""


class Numbers(msgspec.Struct, frozen=True, tag="box", forbid_unknown_fields=True):
    """Arrays between bounds: Gymnasium's Box.

    Attributes:
        shape: of the arrays.
        dtype: numpy's name of their type.
        low: one number for all, or all of them, the last dimension fastest.
        high: the same.
    """

    shape: Annotated[tuple[Size, ...], Meta(max_length=6)]
    dtype: Literal["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8"]
    low: Bound | tuple[Bound, ...]
    high: Bound | tuple[Bound, ...]

    def __post_init__(self) -> None:
        """Check that there are as many bounds as numbers, and not too many.

        Raises:
            RulesError: if not.
        """
        if self.size > MOST:
            raise RulesError(f"Got arrays {self.shape}, expected at most {MOST:,} numbers.")
        for bounds in (self.low, self.high):
            if isinstance(bounds, tuple) and len(bounds) != self.size:
                raise RulesError(f"Got {len(bounds)} bounds of arrays {self.shape}.")

    @property
    def size(self) -> int:
        """How many numbers an array has."""
        return math.prod(self.shape)

    def space(self) -> Box:
        """Return Gymnasium's space."""
        low, high = (_array(bounds, self) for bounds in (self.low, self.high))
        return Box(low, high, self.shape, np.dtype(self.dtype).type)


class Named(msgspec.Struct, frozen=True, tag="dict", forbid_unknown_fields=True):
    """Spaces by name: Gymnasium's Dict.

    Attributes:
        spaces: name and space, in order.
    """

    spaces: tuple[tuple[Name, Numbers | Named], ...]

    @property
    def size(self) -> int:
        """How many numbers all arrays have together."""
        return sum(each.size for _, each in self.spaces)

    def space(self) -> Dict:
        """Return Gymnasium's space."""
        # A plain dict would be sorted.
        made = Dict()
        for name, each in self.spaces:
            made.spaces[name] = each.space()
        return made


SpaceData = Numbers | Named


def space_data(space: Space[Any]) -> SpaceData:
    """Return a space as plain data.

    Raises:
        RulesError: if it is neither a Box of numbers nor a Dict of such.
    """
    if isinstance(space, Dict):
        return Named(tuple((name, space_data(each)) for name, each in space.spaces.items()))
    if not isinstance(space, Box):
        raise RulesError(f"Got the space {space}, expected a Box of numbers or a Dict of such.")
    try:
        return msgspec.convert(
            {
                "type": "box",
                "shape": space.shape,
                "dtype": str(space.dtype),
                "low": _plain(space.low),
                "high": _plain(space.high),
            },
            Numbers,
        )
    except msgspec.ValidationError as error:
        raise RulesError(f"Got the space {space}. {error}.") from error


def _plain(bounds: NDArray[Any]) -> Bound | tuple[Bound, ...]:
    flat = [float(x) for x in bounds.ravel().tolist()]
    numbers = tuple(x if np.isfinite(x) else str(x) for x in flat)
    return numbers[0] if len(set(numbers)) == 1 else numbers  # type: ignore[return-value]


def _array(bounds: Bound | tuple[Bound, ...], numbers: Numbers) -> NDArray[Any]:
    flat = bounds if isinstance(bounds, tuple) else (bounds,)
    array = np.array([float(x) for x in flat], numbers.dtype)
    return np.broadcast_to(array, numbers.shape) if len(flat) == 1 else array.reshape(numbers.shape)
