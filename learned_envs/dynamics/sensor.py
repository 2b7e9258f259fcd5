"""Readings that q and v do not determine, such as the constraint forces of MuJoCo's solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.output_scaler import DataScale
from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor, total_size
from learned_envs.systems.spec import SystemSpec

HIDDEN = (64, 64)
"""Widths of the network's hidden layers."""

LEAST_SPREAD = 1e-6
"""A reading that varies by less counts as constant, and is not scaled."""


class SensorHead(DataScale):
    """A network that predicts what sensors read from the state that a step reached.

    It is no part of a model family. It sees the same features whichever family moved the system.

    Attributes:
        sensors: what it predicts.
    """

    def __init__(
        self,
        spec: SystemSpec,
        kinematics: Kinematics,
        sensors: Sequence[Sensor],
        members: int | None = None,
    ) -> None:
        size = total_size(sensors)
        super().__init__(size)
        self.spec, self.sensors = spec, tuple(sensors)
        self.features = Features(spec, kinematics, True, limit_times=(0.0,), headings=True)
        self.network = MLP(self.features.size, size, HIDDEN, members)

    def forward(self, reached: State, action: Tensor) -> dict[str, Tensor]:
        """Return what each sensor reads after a step, from its end and its action.

        Readings stay within the range of the data.

        Args:
            reached: q (*batch, nq), v (*batch, nv), and leaves as the model of motion leaves them:
                those that it does not compute as they were before the step.
            action: (*batch, nu).

        Returns:
            (*batch, size) each, by the sensor's name.
        """
        values = self.scaled(self._output(reached, action))
        readings, start = {}, 0
        for sensor in self.sensors:
            readings[sensor.name] = values[..., start : start + sensor.size]
            start += sensor.size
        return readings

    def error(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> Tensor:
        """Return how far predictions are from readings, in units of their spread.

        Predictions are not clamped. Readings are often at an end of their range, such as the force
        of an open contact, and a clamp would leave no gradient to learn them by.

        Returns:
            (*batch, n) for n numbers that all sensors read together, signed.
        """
        standard = (self._values(readings) - self.mean) / self.spread
        return self._output(reached, action) - standard

    @torch.no_grad()
    def normalise(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> None:
        """Set the constants from steps of the data, (n, .) each."""
        given = given_by(self.spec, reached, action)
        self.features.normalise(reached.q, reached.v, given)
        self.measure(self._values(readings), LEAST_SPREAD, 1.0)

    def _output(self, reached: State, action: Tensor) -> Tensor:
        given = given_by(self.spec, reached, action)
        output: Tensor = self.network(self.features(reached.q, reached.v, given))
        return output

    def _values(self, readings: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([readings[sensor.name] for sensor in self.sensors], -1)
