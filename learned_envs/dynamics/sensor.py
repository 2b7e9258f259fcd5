"""What MuJoCo's solver makes and q and v do not determine, such as the forces of constraints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.network import MLP
from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec

HIDDEN = (64, 64)
"""Widths of the network's hidden layers."""


class SensorHead(nn.Module):
    """A network that predicts a step's sensor readings from the state that the step reached.

    It is no part of a model family: whichever moved the system, it sees the same features.

    Attributes:
        mean, spread: (n) of the readings over the data; the spread of a constant reading is 1.
        low, high: (n) the range of the data, which predictions do not leave.
    """

    mean: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self, spec: SystemSpec, kinematics: Kinematics, readings: int, members: int | None = None
    ) -> None:
        super().__init__()
        self.features = Features(spec, kinematics, contact_geometry=True, limit_times=(0.0,))
        self.network = MLP(self.features.size, readings, HIDDEN, members)
        self.register_buffer("mean", torch.zeros(readings))
        self.register_buffer("spread", torch.ones(readings))
        self.register_buffer("low", torch.full((readings,), -torch.inf))
        self.register_buffer("high", torch.full((readings,), torch.inf))

    def forward(self, reached: State, action: Tensor) -> Tensor:
        """Return the readings after a step, (*batch, n), from its end and its action."""
        return torch.clamp(
            self.mean + self.spread * self._standardised(reached, action), self.low, self.high
        )

    def error(self, reached: State, action: Tensor, readings: Tensor) -> Tensor:
        """Return how far predictions are from (*batch, n) readings, in units of the spread.

        The predictions are not clamped. Readings are often at an end of their range, as the force
        of an open contact is, and a clamp would leave no gradient to learn them by.

        Returns:
            (*batch, n), signed.
        """
        return self._standardised(reached, action) - (readings - self.mean) / self.spread

    @torch.no_grad()
    def normalise(self, reached: State, action: Tensor, readings: Tensor) -> None:
        """Set the constants from steps of the data, (n, .) each."""
        self.features.normalise(reached.q, reached.v, action)
        spread = readings.std(0)
        self.mean.copy_(readings.mean(0))
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.low.copy_(readings.amin(0))
        self.high.copy_(readings.amax(0))

    def _standardised(self, reached: State, action: Tensor) -> Tensor:
        output: Tensor = self.network(self.features(reached.q, reached.v, action))
        return output
