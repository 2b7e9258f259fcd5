"""Numbers that an environment keeps in Python from step to step: inputs, and outputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.slot import ENV, Slot, kind_of
from learned_envs.systems.walk import read, write

LONGEST = 100
"""Elements of a list that may be memory."""


NUMBER = Traced | bool | int | float | np.generic


class Memory:
    """What an environment keeps while a step is traced.

    Args:
        root: the environment, of which arrays are traced already.
        tracer: that writes down.
        owners: path and object of all that it keeps.
        slots: of what is known to be memory; they become inputs.
    """

    def __init__(
        self, root: Any, tracer: Tracer, owners: Sequence[tuple[str, Any]], slots: Sequence[Slot]
    ) -> None:
        self._root, self._tracer, self._owners = root, tracer, owners
        self._inputs = {slot.name: self._input(slot) for slot in slots if slot.name.startswith(ENV)}
        known = {path for slot in slots for path in (slot.name.removeprefix(ENV), *slot.others)}
        self._before = {
            path: (value, value.node if isinstance(value, Traced) else None)
            for path, value in self._numbers()
            if path not in known
        }

    def _input(self, slot: Slot) -> int:
        value = read(self._root, slot.path)
        example = value.example if isinstance(value, Traced) else value
        storage = self._tracer.input(f"memory.{slot.name}", np.asarray(example))
        for path in (slot.path, *slot.others):
            write(self._root, path, Traced(storage, scalar=np.isscalar(value)))
        return storage.node

    def outputs(self) -> dict[str, int]:
        """Return the nodes of memory that is another after the step, by the names of outputs."""
        found = {}
        for name, before in self._inputs.items():
            value = self._tracer.lift(read(self._root, name.removeprefix(ENV)))
            if value.node != before:
                found[f"memory.{name}"] = self._tracer.number(value)
        return found

    def changed(self) -> dict[str, Slot]:
        """Return slots of all other numbers that the step changed, by their names."""
        same: dict[int, list[str]] = {}
        for path, (value, node) in self._before.items():
            try:
                now = read(self._root, path)
            except (LookupError, AttributeError, TypeError):
                continue
            if self._differs(value, node, now):
                array = isinstance(value, Traced) and not value.scalar
                same.setdefault(id(value.storage) if array else id(path), []).append(path)
        slots = {}
        for first, *others in same.values():
            value = self._before[first][0]
            example = value.example if isinstance(value, Traced) else value
            kind = kind_of(example) or "float"
            slots[ENV + first] = Slot(ENV + first, np.shape(example), kind, False, tuple(others))
        return slots

    def now(self) -> list[Any]:
        """Return what is kept at this moment, to be compared with what is kept at another."""
        return [fingerprint(_content(path, owner)) for path, owner in self._owners]

    def _differs(self, value: Any, node: int | None, now: Any) -> bool:
        if not isinstance(now, NUMBER) or np.shape(value) != np.shape(now):
            return False
        if node is None and not isinstance(now, Traced):
            return bool(now != value)
        try:
            return bool(self._tracer.lift(now).node != self._tracer.lift(value).node) or (
                node is not None and self._tracer.lift(now).node != node
            )
        except UntraceableRulesError:
            return False

    def _numbers(self) -> Iterator[tuple[str, Any]]:
        """Yield path and value of all numbers and traced arrays."""
        for path, owner in self._owners:
            yield from ((name, x) for name, x in _content(path, owner) if isinstance(x, NUMBER))


def fingerprint(value: Any) -> Any:
    """Return what is equal for a value that is the same, in lists and dicts too."""
    if isinstance(value, Traced):
        return "traced", value.node
    if isinstance(value, list | tuple | deque):
        return [fingerprint(part) for part in value]
    if isinstance(value, dict):
        return {key: fingerprint(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return value if isinstance(value, NUMBER | str) else _Same(value)


class _Same:
    """Equal for the same object, which it keeps from being forgotten."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    __hash__ = None  # type: ignore[assignment]


def _content(path: str, owner: Any) -> list[tuple[str, Any]]:
    """Return path and value of what lies in an object."""
    if isinstance(owner, dict):
        return [(f"{path}[{key!r}]", x) for key, x in owner.items()]
    if isinstance(owner, list | tuple | deque):
        return [(f"{path}[{place}]", x) for place, x in enumerate(owner)][:LONGEST]
    kept = getattr(owner, "__dict__", {}).items()
    return [(f"{path}.{key}" if path else key, x) for key, x in kept]
