"""Where a real environment keeps what belongs to its state beside q and v."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from learned_envs.systems.locate import locate
from learned_envs.systems.spec import Leaf
from learned_envs.systems.walk import read, write

Array = np.ndarray[Any, Any]
Kind = Literal["float", "int", "bool"]

ENV, MODEL = "env.", "model."
PART = re.compile(r"^(?P<path>.*?)\[(?P<first>\d+)(?::(?P<last>\d+))?\]$")


@dataclass(frozen=True)
class Slot:
    """Reads and writes one leaf of the state in a real environment.

    Attributes:
        name: the leaf's: "act", "model.body_pos[5]", "env._last_action".
        shape: of the numbers where they lie.
        kind: of the numbers.
        frozen: whether they are constant within an episode.
        others: further paths in the environment at which the same array lies.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind = "float"
    frozen: bool = False
    others: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(np.prod(self.shape))

    @property
    def path(self) -> str:
        """Where they lie, seen from the environment, MuJoCo's model or its data."""
        return self.name.removeprefix(ENV).removeprefix(MODEL)

    @property
    def leaf(self) -> Leaf:
        """What a spec says of it."""
        return Leaf(self.name, self.size, self.shape, self.frozen, kind=self.kind, also=self.others)

    @classmethod
    def of(cls, leaf: Leaf) -> Slot:
        """Return where a leaf lies in a real environment."""
        return cls(leaf.name, leaf.shape or (), leaf.kind, leaf.frozen, leaf.also)

    def found(self, env: gym.Env[Any, Any]) -> Any:
        """Return what lies there, as it is."""
        if self.name.startswith(ENV):
            return read(env.unwrapped, self.path)
        owner, path, index = self._mujoco(env)
        value = read(owner, path)
        return value if index is None else value[index]

    def get(self, env: gym.Env[Any, Any]) -> Array:
        """Return a copy of the numbers, in their shape, float64."""
        found = np.array(self.found(env), dtype=np.float64)
        # A reset may put one number where steps put as many as there are actions.
        return found if found.shape else np.broadcast_to(found, self.shape).copy()

    def set(self, env: gym.Env[Any, Any], value: Array) -> None:
        """Write numbers, flat or in their shape, as the type that lies there.

        An array of Python's side is replaced by a new one, so that what has the old one keeps it.
        """
        value = np.array(value, dtype=np.float64).reshape(self.shape)
        if self.name.startswith(ENV):
            new = _alike(self.found(env), value, self.kind)
            for path in (self.path, *self.others):
                write(env.unwrapped, path, new)
            return
        owner, path, index = self._mujoco(env)
        there = read(owner, path)
        if isinstance(there, np.ndarray):
            there[... if index is None else index] = value
        else:
            write(owner, path, _alike(there, value, self.kind))

    def _mujoco(self, env: gym.Env[Any, Any]) -> tuple[Any, str, int | slice | None]:
        """Return MuJoCo's model or data, the array's path in it, and the part of the array."""
        model, data = locate(env)
        path = self.path
        index: int | slice | None = None
        if part := PART.match(path):
            path, first, last = part["path"], int(part["first"]), part["last"]
            index = first if last is None else slice(first, int(last))
        if self.name.startswith(MODEL):
            return model, path, index
        # The time is an attribute of MuJoCo's data and no array.
        return data, path, index


def kind_of(value: Any) -> Kind | None:
    """Return what kind of numbers a value has; None if it has none that a state could have."""
    if isinstance(value, Enum):
        return None
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        return "int"
    if isinstance(value, float | np.floating):
        return "float"
    if isinstance(value, np.ndarray):
        kinds: dict[str, Kind] = {"b": "bool", "i": "int", "u": "int", "f": "float"}
        return kinds.get(value.dtype.kind)
    return None


def _alike(there: Any, value: Array, kind: Kind) -> Any:
    """Make of numbers what lies there: its type, and its dtype."""
    if isinstance(there, np.ndarray) and there.shape == value.shape:
        return _rounded(value, there.dtype).astype(there.dtype)
    if value.shape:
        return value.astype({"float": np.float64, "int": np.int64, "bool": np.bool_}[kind])
    if isinstance(there, np.generic):
        return there.dtype.type(_rounded(value, there.dtype))
    number = float(value)
    if isinstance(there, bool):
        return number > 0.5
    # A reset may put 0 where steps put 0.1.
    return round(number) if isinstance(there, int) and kind == "int" else float(number)


def _rounded(value: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b":
        return np.asarray(value > 0.5)
    return np.asarray(np.rint(value) if dtype.kind in "iu" else value)
