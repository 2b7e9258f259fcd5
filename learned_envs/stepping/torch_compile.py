"""Code that torch.compile makes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch._dynamo.exc import TorchDynamoException

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, **settings: Any) -> F:
    """Return `function` compiled, or as it is if the first call shows that it cannot be.

    Without a C++ compiler that call raises, even if compiled code is cached: then a warning says
    so, once, and the plain function runs from there on.

    Args:
        function: from tensors to tensors.
        settings: those of `torch.compile`.
    """

    def own(*arguments: Any) -> Any:
        return function(*arguments)

    # Torch allows so many compilations for each code object, and this one would be everybody's.
    own.__code__ = own.__code__.replace()
    fast = torch.compile(own, **settings)
    chosen: list[Callable[..., Any]] = []

    def run(*arguments: Any) -> Any:
        if not chosen:
            try:
                result = fast(*arguments)
                chosen.append(fast)
                return result
            except (RuntimeError, TorchDynamoException) as error:
                first = str(error).strip().splitlines()[0]
                warnings.warn(f"torch.compile failed ({first}); running uncompiled.", stacklevel=2)
                chosen.append(function)
        return chosen[0](*arguments)

    return run  # type: ignore[return-value]
