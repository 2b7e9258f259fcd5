"""Faces of a simulation: one environment, many at once, pure functions, and pictures.

The names below are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from learned_envs.lazy import exports

if TYPE_CHECKING:
    from learned_envs.envs.functional import FunctionalEnv
    from learned_envs.envs.single import LearnedEnv
    from learned_envs.envs.vector import LearnedVectorEnv

__all__ = ["FunctionalEnv", "LearnedEnv", "LearnedVectorEnv"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "FunctionalEnv": "learned_envs.envs.functional",
        "LearnedEnv": "learned_envs.envs.single",
        "LearnedVectorEnv": "learned_envs.envs.vector",
    },
)
