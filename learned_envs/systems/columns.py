"""What is recorded of a real environment beside q, v and observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np

from learned_envs.errors import SystemSpecError
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.sensor import Sensor

Array = np.ndarray[Any, Any]

SENSOR, TOUCH = "sensor.", "touch."
STEP, CALL = "step.", "call."
"""How arrays of sensors begin that are no arrays of MuJoCo's."""


def columns_of(
    real: Adapter, sensors: Sequence[Sensor], told: Mapping[str, Array] = MappingProxyType({})
) -> dict[str, Array]:
    """Copy what is recorded of a state beside qpos, qvel and observation.

    Args:
        real: the environment, which says the leaves of the state.
        sensors: the task's; those that are not observed are read.
        told: what the step that led there returned, by the array of a sensor: "step.reward", or
            "call.METHOD" for a method of the environment. At a start it is zero.

    Returns:
        (n) float64 each, by name.
    """
    hidden = {
        sensor.name: _reading(real, sensor, told) for sensor in sensors if sensor.place is None
    }
    return {**real.leaves(), **hidden}


def _reading(real: Adapter, sensor: Sensor, told: Mapping[str, Array]) -> Array:
    if sensor.array.startswith((STEP, CALL)):
        return np.ravel(told.get(sensor.array, np.zeros(sensor.size)))
    return read_quantity(real.model, real.data, sensor.array).ravel()[sensor.slice]


def read_quantity(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> Array:
    """Read a quantity of MuJoCo's by name, float64 in its own shape.

    Args:
        model: MuJoCo's constants.
        data: MuJoCo's state.
        name: an array of MuJoCo's data, such as "cfrc_ext"; "sensor.NAME" of the MJCF; or
            "touch.GEOM1.GEOM2", 1 if two geoms are in contact and else 0, shape (). What has no
            name is told by its index.

    Raises:
        SystemSpecError: if there is none of the name.
    """
    if name.startswith(SENSOR):
        index = _index(model, "sensor", name.removeprefix(SENSOR))
        if index is not None:
            start, size = model.sensor_adr[index], model.sensor_dim[index]
            return np.array(data.sensordata[start : start + size], dtype=np.float64)
    elif name.startswith(TOUCH):
        if (pair := _pair(model, name.removeprefix(TOUCH))) is not None:
            return np.array(_touch(data, pair), dtype=np.float64)
    elif isinstance(found := getattr(data, name, None), np.ndarray | float):
        return np.array(found, dtype=np.float64)
    raise SystemSpecError(
        f"MuJoCo's data has no {name!r}. Expected an array of it, such as 'cfrc_ext', "
        "'sensor.NAME' or 'touch.GEOM1.GEOM2'."
    )


def _pair(model: mujoco.MjModel, text: str) -> tuple[int, int] | None:
    """Find two geoms by their names with a dot between, which names may hold too."""
    words = text.split(".")
    for cut in range(1, len(words)):
        one, other = (_index(model, "geom", ".".join(part)) for part in (words[:cut], words[cut:]))
        if one is not None and other is not None:
            return one, other
    return None


def _index(model: mujoco.MjModel, kind: str, name: str) -> int | None:
    """Return the index of what has a name, or is told by its index for want of one."""
    index = mujoco.mj_name2id(model, getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), name)
    if index >= 0:
        return int(index)
    known = name.isdigit() and int(name) < getattr(model, f"n{kind}")
    return int(name) if known else None


def _touch(data: mujoco.MjData, pair: tuple[int, int]) -> bool:
    geoms = np.reshape(data.contact.geom, (-1, 2))
    return bool(((geoms == pair) | (geoms == pair[::-1])).all(-1).any())
