"""An environment while it is traced: what its objects hold is replaced, and put back afterwards."""

from __future__ import annotations

import contextlib
import copy
import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import mujoco
import numpy as np

from learned_envs.rules.tracing.dm_control import engine_substituted
from learned_envs.rules.tracing.memory import Memory
from learned_envs.rules.tracing.physics import Physics
from learned_envs.rules.tracing.storage import LARGEST, Storage
from learned_envs.rules.tracing.substitute import Guard
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.rules.tracing.view import in_copy, in_physics, looks_into_c
from learned_envs.systems.copying import copy_data
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot
from learned_envs.systems.walk import owners

DEEPEST = 12

Owners = list[tuple[str, Any]]


@contextlib.contextmanager
def kept(root: Any, simulated: bool = True) -> Iterator[Owners]:
    """Put back all that an environment's objects hold, when the block ends; give them.

    Args:
        root: the environment, with its wrappers or without.
        simulated: whether they hold copies of MuJoCo's data meanwhile, and its models are put back.
    """
    every = list(owners(root, DEEPEST))
    shallow = [_content(owner) for _, owner in every]
    values = [value for content in shallow for value in _values(content)]
    arrays = [(value, value.copy()) for value in values if _is_own_array(value)]
    data = [x for x in values if simulated and isinstance(x, mujoco.MjData)]
    models = {id(value.model): value.model for value in data}
    copies = {id(value): (value, copy.copy(value)) for value in data}

    def copied(value: Any) -> Any:
        if id(value) in copies:
            return copies[id(value)][1]
        for original, other in copies.values():
            value = in_copy(value, original, other)
        return value

    for _, owner in every:
        _replace(owner, copied)
    # An object of a library, which is not looked into, may hold the data.
    held = None if data or not simulated else locate(root)[1]
    before = copy.copy(held)
    constants = [(model, _arrays(model)) for model in models.values()]
    draws = [(value, _drawn(value)) for value in values if _drawn(value) is not None]
    drawn = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield every
    finally:
        for (_, owner), content in zip(every, shallow, strict=True):
            _restore(owner, content)
        for array, numbers in arrays:
            array[...] = numbers
        for model, numbers in constants:
            for name, array in numbers.items():
                if not np.array_equal(there := getattr(model, name), array, equal_nan=True):
                    there[...] = array
        if held is not None:
            copy_data(before, held)
        for generator, state in draws:
            _redraw(generator, state)
        random.setstate(drawn[0])
        np.random.set_state(drawn[1])  # noqa: NPY002


@contextlib.contextmanager
def substituted(
    root: Any, tracer: Tracer, physics: Physics, slots: Sequence[Slot], table: dict[int, Any]
) -> Iterator[Memory]:
    """Let an environment's objects hold what can be traced; give its memory.

    Args:
        root: the environment.
        tracer: that writes down.
        physics: behind the proxy that stands for the environment's data.
        slots: of the memory that the environment keeps in Python.
        table: id of a module or a function -> what stands for it.
    """
    with kept(root, simulated=False) as every:
        storages: dict[int, Storage] = {}

        def stand(value: Any) -> Any:
            if value is physics.original:
                return physics.proxy
            if value is physics.model:
                return physics.constants
            if id(value) in table:
                return table[id(value)]
            if isinstance(value, np.random.Generator | np.random.RandomState | random.Random):
                return Guard("the environment's generator")
            if _is_own_array(value) and value.size <= LARGEST and value.dtype.kind in "bifu":
                if id(value) not in storages:
                    storages[id(value)] = tracer.stored(value)
                return Traced(storages[id(value)])
            return in_physics(value, physics)

        for _, owner in every:
            _replace(owner, stand)
        memory = Memory(root, tracer, every, slots)
        with engine_substituted(root, physics):
            yield memory


def _content(owner: Any) -> Any:
    if isinstance(owner, dict):
        return dict(owner)
    if isinstance(owner, list | tuple | deque):
        return list(owner)
    if isinstance(owner, set):
        return set(owner)
    return dict(getattr(owner, "__dict__", {})), {
        name: getattr(owner, name) for name in _slot_names(owner) if hasattr(owner, name)
    }


def _values(content: Any) -> list[Any]:
    if isinstance(content, tuple):
        return [*content[0].values(), *content[1].values()]
    return list(content.values() if isinstance(content, dict) else content)


def _restore(owner: Any, content: Any) -> None:
    if isinstance(owner, dict | set):
        owner.clear()
        owner.update(content)
    elif isinstance(owner, list | deque):
        owner.clear()
        owner.extend(content)
    elif not isinstance(owner, tuple):
        if hasattr(owner, "__dict__"):
            vars(owner).clear()
            vars(owner).update(content[0])
        for name, value in content[1].items():
            object.__setattr__(owner, name, value)


def _replace(owner: Any, stand: Any) -> None:
    if isinstance(owner, dict):
        owner.update({key: stand(value) for key, value in owner.items()})
    elif isinstance(owner, list | deque):
        for place, value in enumerate(owner):
            owner[place] = stand(value)
    elif not isinstance(owner, tuple | set):
        content = getattr(owner, "__dict__", {})
        content.update({name: stand(value) for name, value in content.items()})
        for name in _slot_names(owner):
            if hasattr(owner, name):
                object.__setattr__(owner, name, stand(getattr(owner, name)))


def _slot_names(owner: Any) -> list[str]:
    found: list[str] = []
    for kind in type(owner).__mro__:
        names = kind.__dict__.get("__slots__", ())
        found += [names] if isinstance(names, str) else names
    return [name for name in found if name not in ("__dict__", "__weakref__")]


def _is_own_array(value: Any) -> bool:
    """Whether a value is an array whose memory is not MuJoCo's."""
    return isinstance(value, np.ndarray) and not looks_into_c(value)


def _arrays(model: mujoco.MjModel) -> dict[str, Any]:
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    return {k: v.copy() for k, v in found.items() if isinstance(v, np.ndarray) and v.size <= 10**6}


def _drawn(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state()
    return value.getstate() if isinstance(value, random.Random) else None


def _redraw(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(state)
