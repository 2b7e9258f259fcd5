"""What stands for MuJoCo's functions while an environment is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from learned_envs.rules.tracing.model import ModelProxy
from learned_envs.rules.tracing.physics import FRESH, UNCHANGED, Physics
from learned_envs.rules.tracing.proxy import DataProxy
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.substitute import Substitute
from learned_envs.rules.tracing.traced import traced

STEPS = frozenset({"mj_step", "mj_step2"})


def mujoco_functions() -> dict[int, Any]:
    """Return what stands for MuJoCo's functions and its module, by their id."""
    table: dict[int, Any] = {}
    content = {}
    for name in dir(mujoco):
        function = getattr(mujoco, name)
        if name.startswith(("mj_", "mju_", "mjd_", "mjv_", "mjr_")) and callable(function):
            content[name] = table[id(function)] = _function(name, function)
    table[id(mujoco)] = Substitute(mujoco, content)
    return table


def _real(value: Any) -> Any:
    return value.__dict__["_real"] if isinstance(value, ModelProxy) else value


def _function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **options: Any) -> Any:
        args = tuple(_real(each) for each in args)
        options = {key: _real(value) for key, value in options.items()}
        given = [*args, *options.values()]
        proxy = next((each for each in given if isinstance(each, DataProxy)), None)
        if proxy is None and not traced(given):
            if name in STEPS:
                raise refusal(
                    f"mujoco.{name} of other data than the environment's",
                    "keep one MjData, in an attribute of the environment",
                )
            return function(*args, **options)
        if proxy is not None:
            physics: Physics = proxy.__dict__["_physics"]
            if name in STEPS:
                counts = [each for each in given if isinstance(each, int | np.integer)]
                return physics.step(name, int(counts[0]) if counts else 1)
            if name in FRESH or name in UNCHANGED:
                return physics.anew(name)
        raise refusal(
            f"mujoco.{name} of the state",
            "read data's arrays and sensors, and compute with numpy's functions",
        )

    return called
