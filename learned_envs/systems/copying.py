"""Copying MuJoCo's data: its state, or all of it, in every version of MuJoCo."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

Array = np.ndarray[Any, Any]

EVERYTHING = mujoco.mjtState.mjSTATE_INTEGRATION
"""All that MuJoCo's own step depends on."""


def state_of(model: mujoco.MjModel, data: mujoco.MjData, part: int = EVERYTHING) -> Array:
    """Return a copy of MuJoCo's state, or of the part that bits of `mjtState` name, (n) float64."""
    state = np.empty(mujoco.mj_stateSize(model, part))
    mujoco.mj_getState(model, data, state, part)
    return state


def copy_data(source: mujoco.MjData, target: mujoco.MjData) -> None:
    """Make data what other data of the same model is.

    MuJoCo 3 has no function for it in Python. There, contacts and what else changes its size from
    step to step become those of the source's own positions, which are a solver step further on.
    """
    model = source.model
    if hasattr(mujoco, "mj_copyData"):
        mujoco.mj_copyData(target, model, source)
        return
    mujoco.mj_setState(model, target, state_of(model, source), EVERYTHING)
    mujoco.mj_forward(model, target)
    for name in dir(source):
        there = None if name.startswith("_") else getattr(target, name)
        if isinstance(there, np.ndarray) and there.shape == (own := getattr(source, name)).shape:
            there[...] = own
