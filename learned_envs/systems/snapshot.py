"""All the numbers that a real environment keeps, at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

import mujoco
import numpy as np

from learned_envs.systems.adapter import Adapter
from learned_envs.systems.constants import constants_of
from learned_envs.systems.copying import state_of
from learned_envs.systems.slot import ENV, MODEL, Kind, Slot, kind_of
from learned_envs.systems.walk import walk

Array = np.ndarray[Any, Any]

MOST = 10_000
"""Numbers in one leaf, at most."""

CHOSEN = ("mocap_pos", "mocap_quat", "qfrc_applied", "xfrc_applied", "eq_active", "userdata")
"""Arrays of MuJoCo's data that an environment may set at a reset or in a step."""

NOTHING = ""
"""Stands for what has neither numbers nor a text."""

PASSING = ("ctrl", "time")
"""What every step changes, and few steps depend on."""


@dataclass(frozen=True)
class Value:
    """What lies at a path.

    Attributes:
        numbers: in their shape, float64.
        kind: of the numbers.
        identity: of an array of Python's; 0 for others.
    """

    numbers: Array
    kind: Kind
    identity: int = 0


@dataclass(frozen=True)
class Snapshot:
    """What a real environment keeps at one moment.

    Attributes:
        whole: MuJoCo's own state.
        values: by the names of leaves, of whole arrays; a text for what is no number.
    """

    whole: Array
    values: Mapping[str, Value | str]

    @classmethod
    def of(cls, real: Adapter) -> Self:
        """Look at an environment."""
        model, data = real.model, real.data
        return cls(state_of(model, data), dict(_values(model, data, real.base)))

    def of_slot(self, slot: Slot) -> Array:
        """Return what lay in a slot, in its shape."""
        if not slot.name.startswith(MODEL) or slot.name in self.values:
            return np.broadcast_to(numbers_of(self.values, slot.name), slot.shape)
        name, _, part = slot.name.rpartition("[")
        first, _, last = part.rstrip("]").partition(":")
        numbers = numbers_of(self.values, name)
        return np.asarray(numbers[int(first) : int(last)] if last else numbers[int(first)])


def numbers_of(values: Mapping[str, Value | str], name: str) -> Array:
    """Return the numbers of a name that has some."""
    value = values[name]
    assert isinstance(value, Value)
    return value.numbers


def differs(column: Sequence[Value | str]) -> bool:
    """Return whether what lay at a path was not the same at all moments."""
    first = column[0]
    for value in column[1:]:
        if isinstance(value, str) or isinstance(first, str):
            if value != first:
                return True
        elif not np.array_equal(value.numbers, first.numbers, equal_nan=True):
            return True
    return False


def _values(
    model: mujoco.MjModel, data: mujoco.MjData, base: Any
) -> Iterator[tuple[str, Value | str]]:
    for name in [*(["act"] if model.na else []), *PASSING, *CHOSEN]:
        numbers = np.array(getattr(data, name), dtype=np.float64)
        if numbers.size:
            yield name, Value(numbers, "float")
    for name, constant in constants_of(model, MOST).items():
        kind = kind_of(constant)
        if kind is not None:
            yield f"{MODEL}{name}", Value(constant.astype(np.float64), kind)
    for path, value in walk(base):
        kind = kind_of(value)
        if kind is None:
            yield f"{ENV}{path}", f"{value!s:.100}" if isinstance(value, str | Enum) else NOTHING
        else:
            identity = id(value) if isinstance(value, np.ndarray) else 0
            yield f"{ENV}{path}", Value(np.array(value, dtype=np.float64), kind, identity)
