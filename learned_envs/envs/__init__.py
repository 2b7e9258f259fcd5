"""Faces of a simulation: one environment, many at once, pure functions, and pictures.

The names below are imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learned_envs.envs.functional import FunctionalEnv
    from learned_envs.envs.single import LearnedEnv
    from learned_envs.envs.vector import LearnedVectorEnv

__all__ = ["FunctionalEnv", "LearnedEnv", "LearnedVectorEnv"]

_HOMES = {"FunctionalEnv": "functional", "LearnedEnv": "single", "LearnedVectorEnv": "vector"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
