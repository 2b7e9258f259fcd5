"""The ways to take a step."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import torch
from torch import Tensor

from learned_envs.errors import UntraceableError
from learned_envs.state import State

CACHED_ROWS = 6144
"""States, counted once for each member that steps them, that a CPU steps at once: more would leave
its cache."""

Step = Callable[[State, Tensor], Any]
"""From states and actions, the batch first, to a dataclass of tensors. Its first field is the
`state` after the step."""

Compile = bool | Literal["auto"]
"""Whether a step is compiled: "auto" where the machine can, without a word where there is no
compiler."""

_logger = logging.getLogger("learned_envs")
_told: set[str] = set()


class Way(Enum):
    """What takes a step."""

    TORCH = "torch, one operation after the other"
    PIECES = "torch, so much of a large batch at a time as the cache holds"
    TORCH_COMPILE = "code that torch.compile makes"
    CPP = "C++ code that is derived from the step"
    NUMPY = "numpy code that is derived from the step"


WAYS: dict[tuple[str, str, Compile], tuple[Way, ...]] = {
    # device, rows, compile: ways, the best first
    ("cpu", "batch", False): (Way.PIECES, Way.TORCH),
    ("cpu", "batch", True): (Way.CPP, Way.PIECES, Way.TORCH),
    ("cpu", "batch", "auto"): (Way.CPP, Way.PIECES, Way.TORCH),
    ("cpu", "row", False): (Way.NUMPY, Way.TORCH),
    ("cpu", "row", True): (Way.CPP, Way.NUMPY, Way.TORCH),
    ("cpu", "row", "auto"): (Way.CPP, Way.NUMPY, Way.TORCH),
    ("other", "batch", False): (Way.TORCH,),
    ("other", "batch", True): (Way.TORCH_COMPILE,),
    # torch.compile takes minutes, and nobody asked for it.
    ("other", "batch", "auto"): (Way.TORCH,),
    ("other", "row", False): (Way.TORCH,),
    ("other", "row", True): (Way.TORCH_COMPILE,),
    ("other", "row", "auto"): (Way.TORCH,),
}


def ways(
    device: torch.device, rows: Literal["batch", "row"], compile: Compile, gradients: bool = False
) -> tuple[Way, ...]:
    """List the ways to take a step, the best first.

    Args:
        device: where it is taken.
        rows: a batch, or one row that comes and goes as numpy arrays.
        compile: whether it is to be compiled.
        gradients: whether gradients are recorded, for which a CPU needs torch.
    """
    if device.type == "cpu":
        return (Way.TORCH,) if gradients else WAYS["cpu", rows, compile]
    return WAYS["other", rows, compile]


def say_uncompiled(error: Exception, compile: Compile) -> None:
    """Say that a step is taken uncompiled: in a warning where it was to be compiled.

    Under "auto" the want of a compiler is no news. What has no native code is logged, once each.
    """
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    message = f"No native code ({first}); stepping uncompiled."
    if compile == "auto":
        news = isinstance(error, UntraceableError) and message not in _told
        _logger.log(logging.WARNING if news else logging.DEBUG, message)
        _told.add(message)
    else:
        warnings.warn(message, stacklevel=7)
