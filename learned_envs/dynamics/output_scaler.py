"""Network outputs turned into changes that the data has seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OutputScaler(nn.Module):
    """Scales a network's output to the data's spread and clamps it to the data's range.

    Without the clamp, rollouts that leave the data reach errors of 1e2 to 1e3 where they
    would stay below 10.
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

    def forward(self, output: Tensor) -> Tensor:
        """Map standardised outputs, (*batch, size), to changes in the data's units."""
        return self.clamp(self.mean + self.spread * output)

    def clamp(self, change: Tensor) -> Tensor:
        """Keep changes, (*batch, size), within the data's range."""
        return torch.clamp(change, self.low, self.high)

    @torch.no_grad()
    def normalise(self, change: Tensor) -> None:
        """Set the constants from changes in the data, (n, size)."""
        self.mean.copy_(change.mean(0))
        self.spread.copy_(change.std(0).clamp_min(1e-8))
        self.low.copy_(change.amin(0))
        self.high.copy_(change.amax(0))
