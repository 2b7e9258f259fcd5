"""What stands for MuJoCo's functions while an environment is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from learned_envs.rules.tracing.model import ModelProxy
from learned_envs.rules.tracing.mujoco_utility import object_velocity, utility
from learned_envs.rules.tracing.physics import FRESH, UNCHANGED, Physics
from learned_envs.rules.tracing.proxy import DataProxy
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.substitute import Substitute
from learned_envs.rules.tracing.traced import Traced, traced
from learned_envs.rules.tracing.tracer import Tracer

STEPS = frozenset({"mj_step", "mj_step2"})


def mujoco_functions(tracer: Tracer) -> dict[int, Any]:
    """Return what stands for MuJoCo's functions and its module, by their id."""
    table: dict[int, Any] = {}
    content = {}
    for name in dir(mujoco):
        function = getattr(mujoco, name)
        if name.startswith(("mj_", "mju_", "mjd_", "mjv_", "mjr_")) and callable(function):
            content[name] = table[id(function)] = _function(tracer, name, function)
    table[id(mujoco)] = Substitute(mujoco, content)
    return table


def _real(value: Any) -> Any:
    return value.__dict__["_real"] if isinstance(value, ModelProxy) else value


def _known(tracer: Tracer, value: Any) -> bool:
    return not isinstance(value, Traced) or tracer.constant(value) is not None


def _on_copies(function: Callable[..., Any], given: list[Any]) -> Any:
    """Call a function on constants, and let them hold what it wrote into them."""
    plain = [each.example.copy() if isinstance(each, Traced) else each for each in given]
    result = function(*plain)
    for each, copy in zip(given, plain, strict=True):
        if isinstance(each, Traced) and not np.array_equal(each.example, copy, equal_nan=True):
            each[...] = copy
    return result


def _function(tracer: Tracer, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
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
            if name == "mj_objectVelocity" and len(given) == 6:
                return object_velocity(physics, *given[2:])
            given = [each for each in given if not isinstance(each, DataProxy)]
        if proxy is None and all(_known(tracer, each) for each in given):
            return _on_copies(function, given)
        return utility(name, given, tracer.lift)

    return called
