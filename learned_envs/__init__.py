"""Learned simulators of MuJoCo systems behind the Gymnasium interface.

Importing the package registers its Gymnasium ids, and imports neither torch nor mujoco. The
public names below are imported when they are first asked for.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from learned_envs.catalogue import register_all
from learned_envs.lazy import exports
from learned_envs.moved import find_by_old_names
from learned_envs.registry import register_family, register_improver, register_task

if TYPE_CHECKING:
    from learned_envs.checkpoint import load_checkpoint, save_checkpoint
    from learned_envs.registration import register
    from learned_envs.simulation import Simulation
    from learned_envs.state import State

    __version__: str

__all__ = [
    "Simulation",
    "State",
    "__version__",
    "load_checkpoint",
    "register",
    "register_family",
    "register_improver",
    "register_task",
    "save_checkpoint",
]

_find, __dir__ = exports(
    __name__,
    {
        "Simulation": "learned_envs.simulation",
        "State": "learned_envs.state",
        "load_checkpoint": "learned_envs.checkpoint",
        "register": "learned_envs.registration",
        "save_checkpoint": "learned_envs.checkpoint",
    },
)


def __getattr__(name: str) -> Any:
    return importlib.metadata.version("learned-envs") if name == "__version__" else _find(name)


find_by_old_names()
register_all()
