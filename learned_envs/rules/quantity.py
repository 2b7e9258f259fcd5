"""What the inputs of rules are in a real environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from learned_envs.errors import RulesError
from learned_envs.rules.tracing.mujoco_function import STEPS
from learned_envs.rules.tracing.physics import UNCHANGED

Array = NDArray[np.float64]

PHYSICS = sorted(STEPS | UNCHANGED)
"""What leaves quantities as `after` means them."""


def quantity(data: mujoco.MjData, name: str) -> Array:
    """Return a copy of a quantity of MuJoCo's data.

    Args:
        data: MuJoCo's.
        name: of an array, "xpos"; of one sensor, "sensor.NAME"; or "touch.GEOM1.GEOM2", whether two
            geoms are in contact. What has no name has its index.

    Raises:
        RulesError: if there is none of that name.
    """
    kind, _, rest = name.partition(".")
    if kind == "sensor":
        model = data.model
        sensor = _index(model, mujoco.mjtObj.mjOBJ_SENSOR, rest)
        first = int(model.sensor_adr[sensor])
        return np.array(data.sensordata[first : first + int(model.sensor_dim[sensor])])
    if kind == "touch":
        return np.array(float(_touching(data, rest)))
    value = getattr(data, name, None)
    if not isinstance(value, float | np.ndarray):
        raise RulesError(f"Got the input {name!r}, which is none of MuJoCo's data.")
    return np.array(value, np.float64)


def _touching(data: mujoco.MjData, pair: str) -> bool:
    names = pair.split(".")
    for cut in range(1, len(names)):
        # Names may have dots.
        both = ".".join(names[:cut]), ".".join(names[cut:])
        try:
            geoms = {_index(data.model, mujoco.mjtObj.mjOBJ_GEOM, each) for each in both}
        except RulesError:
            continue
        return any({int(c.geom1), int(c.geom2)} == geoms for c in data.contact)
    raise RulesError(f"Got the input touch.{pair}, expected the names of two geoms.")


def _index(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> int:
    found = int(mujoco.mj_name2id(model, kind, name))
    if found < 0 and not name.isdigit():
        raise RulesError(f"Got {name!r}, which MuJoCo's model does not have.")
    return found if found >= 0 else int(name)


class Watch:
    """Copies quantities as a step of a real environment begins, as physics leaves them, and after.

    Attributes:
        values: stage.NAME -> a copy.
    """

    def __init__(self, data: mujoco.MjData, names: Sequence[str]) -> None:
        """Prepare.

        Args:
            data: MuJoCo's.
            names: those of inputs: `before.NAME` as the step begins, `after.NAME` as the last call
                of physics leaves them, `fresh.NAME` as the step ends. Others are left out.
        """
        self._data = data
        self._names = [name.partition(".")[::2] for name in names]
        self.values: dict[str, Array] = {}

    def copy(self, stage: str) -> None:
        """Copy the quantities of a stage."""
        for own, name in self._names:
            if own == stage:
                self.values[f"{stage}.{name}"] = quantity(self._data, name)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Watch a step, which is taken within the block."""
        self.values = {}
        self.copy("before")
        original = {name: getattr(mujoco, name) for name in PHYSICS}

        def watched(name: str) -> Any:
            def call(model: Any, data: Any, *args: Any, **options: Any) -> None:
                original[name](model, data, *args, **options)
                if data is self._data:
                    self.copy("after")

            return call

        for name in PHYSICS:
            setattr(mujoco, name, watched(name))
        try:
            yield
        finally:
            for name, function in original.items():
                setattr(mujoco, name, function)
        if not any(name.startswith("after.") for name in self.values):
            # Physics was called by another name.
            self.copy("after")
        self.copy("fresh")
