"""Torch functions as graphs of the few operations that code is written of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock

import torch
from torch import Tensor
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from learned_envs.codegen.graph import Graph
from learned_envs.codegen.lowering import lowered
from learned_envs.defaults import usual_defaults
from learned_envs.errors import UntraceableError

_lock = RLock()
"""Held while torch.fx traces: it knows but one tracer at a time, in all threads."""


def traced(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> Graph:
    """Return the graph of a function.

    What depends on no input is computed here and now, and what is computed twice is there once.

    Args:
        function: from tensors to tensors, all on the CPU.
        examples: inputs of the shapes and types that are to come.

    Raises:
        UntraceableError: where the function asks for the value of a tensor, or needs an operation
            that is not made of those in `operations.py`.
    """
    with _lock, usual_defaults():
        return _graph(function, examples)


def _graph(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> Graph:
    # One mode notes the shapes of the whole trace. Left alone, torch makes one at each operation,
    # which takes two thirds of the time.
    noted = tracing(TracingContext(FakeTensorMode()))
    try:
        # Where gradients are possible, nothing is computed in place.
        with torch.enable_grad(), noted:
            module = make_fx(function)(*examples)
    except RuntimeError as error:
        raise UntraceableError(f"The function cannot be traced: {error}") from error
    return lowered(module)
