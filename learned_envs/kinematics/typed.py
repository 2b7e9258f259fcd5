"""Constants in the type and on the device of whatever they are used with."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Typed(Generic[M]):
    """A module of float64 constants, and copies of it in other types and on other devices."""

    def __init__(self, module: M) -> None:
        """Keep a module.

        Args:
            module: on the CPU. Its copy in float32 is made at once, because no module can be copied
                while it is traced.
        """
        cpu = torch.device("cpu")
        self._modules = {(torch.float64, cpu): module}
        self._modules[torch.float32, cpu] = copy.deepcopy(module).float()

    def like(self, tensor: Tensor) -> M:
        """Return the module in the type and on the device of a tensor."""
        key = tensor.dtype, tensor.device
        if key not in self._modules:
            first = self._modules[torch.float64, torch.device("cpu")]
            self._modules[key] = copy.deepcopy(first).to(device=key[1], dtype=key[0])
        return self._modules[key]
