"""Weights in half precision: they take half the room in a file, and are float32 again when read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from learned_envs.dynamics.ensemble import Ensemble

WEIGHT = "weight"
"""How the names of the matrices of networks end."""


def round_weights(dynamics: Ensemble) -> Ensemble:
    """Round the matrices of a model's networks, in place, to numbers of half precision.

    Such numbers have 11 bits, where bfloat16 has 8. A weight beyond 65504 would become infinite,
    which no checkpoint takes.
    """
    for name, weight in dynamics.named_parameters():
        if name.endswith(WEIGHT):
            weight.data = weight.data.half().to(weight.dtype)
    return dynamics


def in_half(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors, those matrices in half precision that lose nothing by it."""

    def small(name: str, tensor: Tensor) -> Tensor:
        half = tensor.half() if name.endswith(WEIGHT) else tensor
        return half if torch.equal(half.to(tensor.dtype), tensor) else tensor

    return {name: small(name, tensor) for name, tensor in tensors.items()}
