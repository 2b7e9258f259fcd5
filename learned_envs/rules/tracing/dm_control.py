"""dm_control's physics while a task of it is traced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from learned_envs.rules.tracing.physics import Physics
from learned_envs.systems.walk import owners

ENGINE = "dm_control.mujoco.engine"


@contextlib.contextmanager
def engine_substituted(root: Any, physics: Physics) -> Iterator[None]:
    """Let the physics of dm_control that an environment keeps, if any, be traced.

    Its data, by number and by name, is what is traced. Its `step` and `set_control` are those of
    the engine without the engine's checks, which look at MuJoCo's warnings.

    Args:
        root: the environment.
        physics: that is traced.
    """
    engine = _engine(root)
    if engine is None:
        yield
        return

    def step(nstep: int = 1) -> None:
        physics.step("mj_step", nstep)
        if engine.legacy_step:
            # What follows from positions and velocities is brought up to date.
            physics.anew("mj_step1")

    def set_control(control: Any) -> None:
        physics.proxy.ctrl = control

    data, named = engine.data, engine.named
    real = data._data
    try:
        data._data = physics.proxy
        engine._named = named._replace(data=_NamedData(named.data, physics))
        engine.step, engine.set_control = step, set_control
        yield
    finally:
        data._data, engine._named = real, named
        del engine.step, engine.set_control


class _NamedData:
    """Stands for `physics.named.data`."""

    def __init__(self, named: Any, physics: Physics) -> None:
        self._named, self._physics = named, physics

    def __getattr__(self, name: str) -> Any:
        return _NamedArray(getattr(self._named, name), getattr(self._physics.proxy, name))


class _NamedArray:
    """Stands for an array whose places have names, such as `physics.named.data.xpos`."""

    def __init__(self, indexer: Any, array: Any) -> None:
        self._indexer, self._array = indexer, array

    def __getitem__(self, key: Any) -> Any:
        return self._array[self._indexer._convert_key(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[self._indexer._convert_key(key)] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._array, name)


def _engine(root: Any) -> Any:
    """Return the physics of dm_control that an environment keeps; None if there is none."""
    for _, owner in owners(root):
        for value in getattr(owner, "__dict__", {}).values():
            kinds = type(value).__mro__
            if any((kind.__module__, kind.__name__) == (ENGINE, "Physics") for kind in kinds):
                return value
    return None
