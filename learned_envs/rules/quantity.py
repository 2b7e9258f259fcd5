"""What the inputs of rules are in a real environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from learned_envs.rules.tracing.mujoco_function import STEPS
from learned_envs.rules.tracing.physics import UNCHANGED
from learned_envs.systems.columns import read_quantity

Array = NDArray[np.float64]

PHYSICS = sorted(STEPS | UNCHANGED)
"""What leaves quantities as `after` means them."""


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
                self.values[f"{stage}.{name}"] = read_quantity(self._data.model, self._data, name)

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
