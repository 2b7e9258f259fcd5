"""What an environment may keep of MuJoCo's data beside it: arrays and things that look into it."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from learned_envs.rules.tracing.physics import Physics
from learned_envs.rules.tracing.proxy import Named, located
from learned_envs.rules.tracing.traced import Traced


def in_copy(value: Any, data: mujoco.MjData, copy: mujoco.MjData) -> Any:
    """Return what looks into a copy as a value looks into the data; the value if it does not."""
    if (kind := _named(value)) is not None:
        return getattr(copy, kind)(value.id)
    if not looks_into_c(value) or (place := located(data, value)) is None:
        return value
    name, ids = place
    array = getattr(copy, name)
    first = int(ids.flat[0]) * array.itemsize if ids.size else 0
    return np.ndarray(value.shape, value.dtype, array, first, value.strides)


def in_physics(value: Any, physics: Physics) -> Any:
    """Return what is traced, for what looks into the data; the value if it does not."""
    if (kind := _named(value)) is not None:
        return Named(physics, getattr(physics.real, kind)(value.id), kind)
    if not looks_into_c(value) or (place := located(physics.original, value)) is None:
        return value
    name, ids = place
    return Traced(physics.storage(name), ids)


def looks_into_c(value: Any) -> bool:
    """Whether a value is an array whose memory is MuJoCo's."""
    base = value
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(value, np.ndarray) and type(base).__name__ == "PyCapsule"


def _named(value: Any) -> str | None:
    """Return the kind of a thing of the data that was looked up: "body"."""
    name = type(value).__name__
    if name.startswith("_MjData") and name.endswith("Views"):
        return name.removeprefix("_MjData").removesuffix("Views").lower()
    return None
