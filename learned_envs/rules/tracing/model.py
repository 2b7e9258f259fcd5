"""MuJoCo's model as a step sees it: what a reset draws of its constants is memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from learned_envs.rules.tracing.proxy import NAMED, located
from learned_envs.rules.tracing.storage import Storage
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.slot import MODEL, PART, Slot


class ModelProxy:
    """Stands where the environment keeps its `mujoco.MjModel`, if a reset draws parts of it."""

    def __init__(self, tracer: Tracer, model: mujoco.MjModel, slots: Sequence[Slot]) -> None:
        self.__dict__.update(_real=model, _storages={})
        for slot in slots:
            if slot.name.startswith(MODEL):
                self._draw(tracer, slot)

    def _draw(self, tracer: Tracer, slot: Slot) -> None:
        """Let a part of an array be an input."""
        part = PART.match(slot.path)
        path = part["path"] if part else slot.path
        example = getattr(self._real, path, None)
        if not isinstance(example, np.ndarray):
            return
        if path not in self._storages:
            self._storages[path] = tracer.stored(example)
        storage: Storage = self._storages[path]
        ids = storage.ids
        if part:
            first, last = int(part["first"]), part["last"]
            ids = ids[first] if last is None else ids[first : int(last)]
        value = tracer.input(f"memory.{slot.name}", example.reshape(-1)[ids].reshape(slot.shape))
        storage.locked = ""
        tracer.write(storage, ids, Traced(value).reshape(ids.shape))
        storage.locked = f"a value written into model.{path}|draw constants of the model at reset"

    def __getattr__(self, name: str) -> Any:
        real, storages = self.__dict__["_real"], self.__dict__["_storages"]
        if name in storages:
            return Traced(storages[name])
        if name in NAMED:
            return lambda *args: _NamedConstants(self, getattr(real, name)(*args))
        return getattr(real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)


class _NamedConstants:
    """A thing of MuJoCo's model that was looked up by its name."""

    def __init__(self, model: ModelProxy, real: Any) -> None:
        self.__dict__.update(_model=model, _real=real)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["_real"], name)
        storages = self.__dict__["_model"].__dict__["_storages"]
        if not isinstance(value, np.ndarray) or not value.size:
            return value
        place = located(self.__dict__["_model"].__dict__["_real"], value)
        if place is None or place[0] not in storages:
            return value
        return Traced(storages[place[0]], place[1])
