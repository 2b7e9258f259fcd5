"""Walk the objects that an environment keeps, and read and write numbers in them by path.

A path is what Python would write behind the root: `_last_action`, `controller.integral`,
`_history[0]`, `gains['hip']`.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterator
from enum import Enum
from functools import reduce
from typing import Any

import gymnasium as gym
import numpy as np

DEEPEST = 6
"""How many objects lie one in the other."""
LONGEST = 1000
"""Elements of a list, a tuple, a dict or a deque that is looked into."""

FOREIGN = (
    *("mujoco", "dm_control.mujoco", "gymnasium.spaces", "gymnasium.envs.registration"),
    *("gymnasium.envs.mujoco.mujoco_rendering", "numpy.random", "glfw", "logging", "threading"),
    *("torch", "jax", "tensorflow", "pandas", "functools", "random", "ctypes", "_io", "pathlib"),
    *("pygame", "OpenGL", "matplotlib", "cv2", "PIL", "imageio", "multiprocessing", "concurrent"),
)
"""Modules whose objects are not looked into: what they hold is no state of a task."""

BOOKKEEPING = ("_np_random_seed", "_ezpickle_args", "_ezpickle_kwargs", "spec", "metadata")
"""What Gymnasium keeps in every environment for itself."""

TOKEN = re.compile(r"\.?([^\W\d]\w*)|\[([^\[\]]+)\]")
Key = tuple[str, Any]
"""("." and an attribute's name), or ("[" and an index or a key)."""


def walk(root: Any, deepest: int = DEEPEST) -> Iterator[tuple[str, Any]]:
    """Yield path and value of every leaf that an object keeps, in its own order.

    It looks into attributes, lists, tuples, dicts, deques and plain objects, once into each. What
    is neither of these is a leaf: a number, an array, a text, None. Left out are MuJoCo's own
    objects and arrays that look into its memory, spaces, renderers, generators, functions and
    modules.

    Args:
        root: an unwrapped environment, say.
        deepest: how many objects may lie one in the other.
    """
    seen: set[int] = set()

    def inside(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
        parts = _parts(value)
        if parts is None:
            if not _foreign(value):
                yield path, value
        elif depth < deepest and id(value) not in seen:
            seen.add(id(value))
            for key, part in parts:
                yield from inside(_joined(path, key), part, depth + 1)

    yield from inside("", root, 0)


def owners(root: Any, deepest: int = DEEPEST) -> Iterator[tuple[str, Any]]:
    """Yield path and object of all that is looked into, nearer ones before others."""
    seen: set[int] = set()
    waiting = deque([("", root, 0)])
    while waiting:
        path, owner, depth = waiting.popleft()
        parts = _parts(owner)
        if parts is None or id(owner) in seen:
            continue
        seen.add(id(owner))
        yield path, owner
        if depth < deepest:
            waiting.extend((_joined(path, key), part, depth + 1) for key, part in parts)


def read(root: Any, path: str) -> Any:
    """Return what lies at a path.

    Raises:
        LookupError: if there is nothing; AttributeError if an object has no such attribute.
    """
    return reduce(_part, _keys(path), root)


def write(root: Any, path: str, value: Any) -> None:
    """Put a value at a path where something lies already.

    Tuples on the way are made anew.

    Raises:
        LookupError: if there is nothing; AttributeError if an object has no such attribute.
    """
    *way, (kind, key) = _keys(path)
    owner = reduce(_part, way, root)
    if kind == ".":
        # Frozen dataclasses too keep their numbers in attributes.
        object.__setattr__(owner, key, value)
    elif isinstance(owner, tuple):
        made = [*owner[:key], value, *owner[key + 1 :]]
        named = hasattr(owner, "_fields")
        write(root, _text(way), type(owner)(*made) if named else type(owner)(made))
    else:
        owner[key] = value


def _parts(value: Any) -> list[tuple[Key, Any]] | None:
    """List what an object consists of; None for a leaf."""
    if isinstance(value, list | tuple | deque):
        if len(value) <= LONGEST:
            return [(("[", index), part) for index, part in enumerate(value)]
        return []
    if isinstance(value, dict):
        if len(value) <= LONGEST:
            return [
                (("[", key), part)
                for key, part in value.items()
                if isinstance(key, str | int) and _readable(key)
            ]
        return []
    # A member of an enumeration is shared by all who name it, so nothing may be written into it.
    if value is None or isinstance(value, str | bytes | complex | np.ndarray | np.generic | Enum):
        return None
    if isinstance(value, bool | int | float) or _foreign(value):
        return None
    slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
    names = dict.fromkeys([*getattr(value, "__dict__", ()), *slots])
    kept = [name for name in names if name.isidentifier() and name not in BOOKKEEPING]
    return [((".", name), getattr(value, name)) for name in kept]


def _readable(key: str | int) -> bool:
    return isinstance(key, int) or not set(key) & set("[]\\'\"")


def _slots(kind: type) -> list[str]:
    slots = kind.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _foreign(value: Any) -> bool:
    """Whether an object is none that a task keeps numbers in."""
    if isinstance(value, np.ndarray):
        return _looks_into_c(value)
    if isinstance(value, type | gym.Space) or (callable(value) and not hasattr(value, "__dict__")):
        return True
    kind = type(value)
    module = f"{kind.__module__}."
    return any(module.startswith(f"{name}.") for name in FOREIGN) or kind.__name__ in (
        *("function", "method", "builtin_function_or_method", "module", "generator"),
    )


def _looks_into_c(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array's memory is MuJoCo's, so that who sets MuJoCo's state sets it."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return type(base).__name__ == "PyCapsule"


def _joined(path: str, key: Key) -> str:
    return _text([*([] if not path else [("", path)]), key])


def _text(keys: list[Key]) -> str:
    text = ""
    for kind, key in keys:
        text += f"[{key!r}]" if kind == "[" else f".{key}" if text and kind else str(key)
    return text


def _keys(path: str) -> list[Key]:
    keys: list[Key] = []
    for found in TOKEN.finditer(path):
        name, key = found.groups()
        keys.append((".", name) if name is not None else ("[", ast.literal_eval(key)))
    return keys


def _part(owner: Any, key: Key) -> Any:
    kind, name = key
    return getattr(owner, name) if kind == "." else owner[name]
