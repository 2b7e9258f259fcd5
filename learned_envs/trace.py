"""Torch functions as graphs of the operations that they call, which code is derived from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from learned_envs.errors import UntraceableError

Operation = TypeVar("Operation")


def traced(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> fx.GraphModule:
    """Return the graph of a function, with the shapes of its values.

    Args:
        function: from tensors to tensors, all on the CPU.
        examples: inputs of the shapes and types that are to come.

    Raises:
        UntraceableError: where the function asks for the value of a tensor.
    """
    try:
        # Where gradients are possible, nothing is computed in place.
        with torch.enable_grad():
            return make_fx(function)(*examples)
    except RuntimeError as error:
        raise UntraceableError(f"The function cannot be traced: {error}") from error


def by_overload(named: Mapping[str, Operation]) -> dict[Callable[..., Any], Operation]:
    """Return what is named like torch's operations by each that goes by the name."""
    aten: Any = torch.ops.aten
    return {
        getattr(getattr(aten, name), overload): operation
        for name, operation in named.items()
        for overload in getattr(aten, name).overloads()
    }
