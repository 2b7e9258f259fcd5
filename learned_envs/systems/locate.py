"""Find MuJoCo's model and data in what an environment keeps."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import gymnasium as gym
import mujoco

from learned_envs.errors import ParameterError
from learned_envs.systems.walk import owners

_PLACES: WeakKeyDictionary[gym.Env[Any, Any], tuple[Any, str]] = WeakKeyDictionary()
"""Which object keeps an environment's MjData, and under which name."""


def locate(env: gym.Env[Any, Any]) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Return the model and the data that an environment simulates with.

    They are its own attributes, or those of an object that it keeps, such as another environment.

    Args:
        env: wrapped or not.

    Raises:
        ParameterError: if it keeps none.
    """
    base: Any = env.unwrapped
    model, data = getattr(base, "model", None), getattr(base, "data", None)
    if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
        return model, data
    if base not in _PLACES:
        _PLACES[base] = _place(base)
    owner, name = _PLACES[base]
    data = getattr(owner, name)
    if not isinstance(data, mujoco.MjData):
        raise ParameterError(
            f"Got {base}, whose {name!r} was MuJoCo's data and is {type(data).__name__} now. Keep "
            "the data in one attribute."
        )
    return data.model, data


def simulates(env: gym.Env[Any, Any]) -> bool:
    """Return whether an environment keeps MuJoCo's model and data."""
    try:
        locate(env)
    except ParameterError:
        return False
    return True


def _place(base: Any) -> tuple[Any, str]:
    for _, owner in owners(base):
        kept = getattr(owner, "__dict__", {})
        # A second MjData may serve look-aheads; the first is what is stepped.
        for name in sorted(kept, key=lambda name: name not in ("data", "_data")):
            if isinstance(kept[name], mujoco.MjData):
                return owner, name
    raise ParameterError(
        f"Got {base}, which keeps no mujoco.MjData in any attribute, expected a MuJoCo "
        "environment made by gym.make, by its id, such as gym.make('Hopper-v5')."
    )
