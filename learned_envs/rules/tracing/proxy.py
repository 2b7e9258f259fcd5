"""What stands where an environment keeps its `mujoco.MjData`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.storage import Array
from learned_envs.rules.tracing.traced import Traced

if TYPE_CHECKING:
    from learned_envs.rules.tracing.physics import Physics

NAMED = frozenset(
    {
        *("body", "geom", "site", "joint", "jnt", "actuator", "sensor", "tendon", "ten"),
        *("camera", "cam", "light"),
    }
)
"""Methods of MuJoCo's data that look up a thing by its name."""

VARYING = ("efc_", "iefc_", "island_", "efm_", "map_", "dof_island", "nefc", "nisland")
"""Arrays whose size changes from step to step."""


class DataProxy:
    """Stands where the environment keeps its `mujoco.MjData`."""

    def __init__(self, physics: Physics) -> None:
        self.__dict__["_physics"] = physics

    def __getattr__(self, name: str) -> Any:
        physics: Physics = self.__dict__["_physics"]
        if name == "model":
            return physics.constants
        if name in NAMED:
            return lambda *args: Named(physics, getattr(physics.real, name)(*args), name)
        value = read_array(physics.real, name)
        if name in ("contact", "ncon"):
            found = physics.touching()
            return found if name == "contact" else len(found)
        if name.startswith(VARYING):
            raise refusal(
                f"data.{name}, whose size changes from step to step",
                "read whether two geoms touch, a touch sensor, or data.cfrc_ext",
            )
        if isinstance(value, np.ndarray):
            return Traced(physics.storage(name))
        if isinstance(value, float):
            return physics.storage(name).tracer.copied(Traced(physics.storage(name)), scalar=True)
        if value is None:
            raise AttributeError(f"'mujoco.MjData' object has no attribute {name!r}")
        raise refusal(f"data.{name}", "read arrays of positions, velocities, forces or sensors")

    def __setattr__(self, name: str, value: Any) -> None:
        physics: Physics = self.__dict__["_physics"]
        storage = physics.storage(name)
        physics.tracer.write(storage, storage.ids, value)


class Named:
    """A thing of MuJoCo's data that was looked up by its name."""

    def __init__(self, physics: Physics, real: Any, kind: str) -> None:
        self.__dict__.update(_physics=physics, _real=real, _kind=kind)

    def __getattr__(self, name: str) -> Any:
        physics, real = self.__dict__["_physics"], self.__dict__["_real"]
        value = getattr(real, name)
        if not isinstance(value, np.ndarray):
            return value
        array, ids = located(physics.real, value) or ("", np.zeros(0, int))
        return Traced(physics.storage(array), ids)

    def __setattr__(self, name: str, value: Any) -> None:
        view = getattr(self, name)
        view.tracer.write(view.storage, view.ids, value)


def located(data: Any, view: Array) -> tuple[str, Array] | None:
    """Return the array of MuJoCo's data or model that a view looks into, and the places shown."""
    first = view.__array_interface__["data"][0]
    for name in dir(data):
        array = read_array(data, name)
        if not isinstance(array, np.ndarray) or not array.size or array.dtype != view.dtype:
            continue
        offset = first - array.__array_interface__["data"][0]
        if 0 <= offset < array.nbytes:
            steps = [stride // array.itemsize for stride in view.strides]
            places = np.full(view.shape, offset // array.itemsize)
            for axis, step in enumerate(steps):
                shape = [1] * view.ndim
                shape[axis] = -1
                places = places + step * np.arange(view.shape[axis]).reshape(shape)
            return name, places
    return None


def read_array(data: Any, name: str) -> Any:
    """Return an attribute of MuJoCo's data; None if there is none."""
    return None if name.startswith("_") else getattr(data, name, None)
