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


def mean_norm(error: Tensor) -> Tensor:
    """Return the mean norm of (*batch, n) errors; its gradient is finite at zero."""
    return (error.square().mean(-1) + 1e-6).sqrt().mean()


class SensorHead(DataScale):
    """A network that predicts what sensors read from the state that a step reached.

    It is no part of a model family. It sees the same features whichever family moved the system.
    Models that were fitted before heads said how wrong they are have this one; new ones have a
    [`SpreadHead`][learned_envs.dynamics.spread_head.SpreadHead].

    Attributes:
        sensors: what it predicts.
    """

    hidden: tuple[int, ...] = HIDDEN
    """Widths of the network's hidden layers."""

    numbers = 1
    """How many outputs of the network there are for each number that is read."""

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
        headings = self.headings(spec, sensors)
        self.features = Features(spec, kinematics, True, limit_times=(0.0,), headings=headings)
        self.network = MLP(self.features.size, self.numbers * size, self.hidden, members)

    @staticmethod
    def headings(spec: SystemSpec, sensors: Sequence[Sensor]) -> bool:
        """Return whether it sees where free bodies head: readings along the world's axes tell."""
        return True

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
        return self.predict(reached, action)[0]

    def predict(
        self, reached: State, action: Tensor, spreads: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the readings, as `forward` does, and how wrong they may be.

        Args:
            reached: see `forward`.
            action: (*batch, nu).
            spreads: whether to say how wrong.

        Returns:
            The readings, and the root mean squared errors that they are expected to have; none if
            nobody asked, or if the head does not know.
        """
        return self.named(self.scaled(self._output(reached, action))), {}

    def loss(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> Tensor:
        """Return what a training makes small, a scalar."""
        return mean_norm(self.error(reached, action, readings))

    def named(self, values: Tensor) -> dict[str, Tensor]:
        """Return the numbers of all sensors, (*batch, n), by the sensors' names."""
        named, start = {}, 0
        for sensor in self.sensors:
            named[sensor.name] = values[..., start : start + sensor.size]
            start += sensor.size
        return named

    def error(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> Tensor:
        """Return how far predictions are from readings, in units of their spread.

        Predictions are not clamped. Readings are often at an end of their range, such as the force
        of an open contact, and a clamp would leave no gradient to learn them by.

        Returns:
            (*batch, n) for n numbers that all sensors read together, signed.
        """
        standard = (self._values(reached, readings) - self.mean) / self.spread
        return self._output(reached, action) - standard

    @torch.no_grad()
    def normalise(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> None:
        """Set the constants from steps of the data, (n, .) each."""
        given = given_by(self.spec, reached, action)
        self.features.normalise(reached.q, reached.v, given)
        self.measure(self._values(reached, readings), LEAST_SPREAD, 1.0)

    def seen(self, reached: State, action: Tensor) -> Tensor:
        """Return what the network sees, (*batch, features)."""
        given = given_by(self.spec, reached, action)
        features: Tensor = self.features(reached.q, reached.v, given)
        return features

    def _output(self, reached: State, action: Tensor) -> Tensor:
        output: Tensor = self.network(self.seen(reached, action))
        return output

    def _values(self, reached: State, readings: Mapping[str, Tensor]) -> Tensor:
        """Return the numbers that are learned, (*batch, n), of readings in some states."""
        return torch.cat([readings[sensor.name] for sensor in self.sensors], -1)
