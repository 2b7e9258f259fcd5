"""Copying MuJoCo's data into data that is there, in every version of MuJoCo."""

from __future__ import annotations

import mujoco
import numpy as np

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


def copy_data(source: mujoco.MjData, target: mujoco.MjData) -> None:
    """Make data what other data of the same model is.

    MuJoCo 3 has no function for it in Python. There, contacts and what else changes its size from
    step to step become those of the source's own positions, which are a solver step further on.
    """
    model = source.model
    if hasattr(mujoco, "mj_copyData"):
        mujoco.mj_copyData(target, model, source)
        return
    state = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, source, state, STATE)
    mujoco.mj_setState(model, target, state, STATE)
    mujoco.mj_forward(model, target)
    for name in dir(source):
        there = None if name.startswith("_") else getattr(target, name)
        if isinstance(there, np.ndarray) and there.shape == (own := getattr(source, name)).shape:
            there[...] = own
