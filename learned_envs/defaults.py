"""Torch as it comes, whatever the process has made of it.

`torch.set_default_dtype`, `torch.set_default_device` and `torch.inference_mode` reach into all that
makes tensors without saying of what type. Models are made, loaded and traced in here, where they do
not. Nothing outside changes, and no other thread sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

MAKERS = frozenset(
    {
        torch.arange,
        torch.as_tensor,
        torch.empty,
        torch.eye,
        torch.full,
        torch.linspace,
        torch.ones,
        torch.rand,
        torch.randint,
        torch.randn,
        torch.tensor,
        torch.zeros,
    }
)
"""What makes tensors of no others."""


@contextmanager
def usual_defaults(*, random: bool = True) -> Iterator[None]:
    """Make tensors on the CPU and real ones in float32, if nothing else is asked for.

    Args:
        random: whether weights are drawn. If they are to be loaded, numbers that are drawn for
            nothing would move everybody else's.
    """
    with torch.inference_mode(False), _Usual(random):
        yield


class _Usual(TorchFunctionMode):
    def __init__(self, random: bool) -> None:
        super().__init__()
        self._random = random

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is Tensor.uniform_ and not self._random:
            return args[0]
        if func not in MAKERS:
            return func(*args, **given)
        if args and given.get("device") is None:
            given["device"] = args[0].device if isinstance(args[0], Tensor) else "cpu"
        made = func(*args, **given)
        free = given.get("dtype") is None and not _typed(args) and made.is_floating_point()
        # Made again, because a number loses digits on its way through another type.
        return func(*args, **{**given, "dtype": torch.float32}) if free else made


def _typed(arguments: Sequence[Any]) -> bool:
    """Return whether a tensor is made of what has a type, as an array has."""
    return bool(arguments) and hasattr(arguments[0], "dtype")
