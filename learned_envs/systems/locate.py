"""Find MuJoCo's model and data in what an environment keeps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco

from learned_envs.errors import ParameterError
from learned_envs.systems.walk import owners


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
    for _, owner in owners(base):
        kept = (
            owner.values() if isinstance(owner, dict) else getattr(owner, "__dict__", {}).values()
        )
        for kind in (mujoco.MjData,):
            for value in kept:
                if isinstance(value, kind):
                    return value.model, value
    raise ParameterError(
        f"Got {base}, which keeps no mujoco.MjModel and mujoco.MjData in any attribute, expected a "
        "MuJoCo environment. Only what MuJoCo simulates can be learned here."
    )
