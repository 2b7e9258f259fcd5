"""Network outputs turned into numbers of the data's spread and range."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DataScale(nn.Module):
    """The spread and the range of some numbers over the data.

    Attributes:
        mean, spread: (size) of the numbers.
        low, high: (size) their range.
    """

    mean: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("low", torch.full((size,), -torch.inf))
        self.register_buffer("high", torch.full((size,), torch.inf))

    def clamp(self, value: Tensor) -> Tensor:
        """Keep values, (*batch, size), within the data's range."""
        return torch.clamp(value, self.low, self.high)

    def scaled(self, output: Tensor) -> Tensor:
        """Map standardised outputs, (*batch, size), to values in the data's units and range."""
        return self.clamp(self.mean + self.spread * output)

    @torch.no_grad()
    def measure(self, values: Tensor, least: float, constant: float) -> None:
        """Set the constants from the data.

        Args:
            values: (n, size).
            least: numbers that spread by less count as constant.
            constant: the spread that those are given.
        """
        spread = values.std(0)
        self.mean.copy_(values.mean(0))
        self.spread.copy_(torch.where(spread > least, spread, constant))
        self.low.copy_(values.amin(0))
        self.high.copy_(values.amax(0))


class OutputScaler(DataScale):
    """Scales a network's output to the data's spread and clamps it to the data's range.

    Without the clamp, rollouts that leave the data reach errors of 1e2 to 1e3. With it they stay
    below 10.
    """

    def forward(self, output: Tensor) -> Tensor:
        """Map standardised outputs, (*batch, size), to changes in the data's units."""
        return self.scaled(output)

    def normalise(self, change: Tensor) -> None:
        """Set the constants from changes in the data, (n, size)."""
        self.measure(change, 1e-8, 1e-8)
