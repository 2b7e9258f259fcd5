"""Ask MuJoCo whether the motion depends on how far an unlimited joint has travelled."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
import numpy.typing as npt

DRAWS = 6
"""States in which it is asked."""
FARTHEST = 10.0
"""Metres that a slide or a free joint is moved at most."""
TURNS = 3
"""Whole turns that a hinge is moved at most."""
TOLERANCE = 1e-5
"""Share of the largest acceleration. The solver of constraints is exact to about 1e-8, and its last
iteration may come or not."""

Array = npt.NDArray[np.float64]


def held_joints(model: mujoco.MjModel) -> set[int]:
    """Return the unlimited joints whose place, or whose whole turns, the accelerations depend on.

    A spring, a tendon, an equality or an actuator that follows positions makes them so. Slides of
    bodies that hang on the world are moved along their axis, free joints horizontally, and hinges
    by whole turns. Contacts are left out: what can be met on the way is a matter of shapes.

    Args:
        model: any; it is not changed.
    """
    asked = copy.copy(model)
    asked.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
    data, rng = mujoco.MjData(asked), np.random.default_rng(0)
    held: set[int] = set()
    for _ in range(DRAWS):
        q = asked.qpos0.copy()
        mujoco.mj_integratePos(asked, q, 0.3 * rng.normal(size=asked.nv), 1.0)
        v, act = rng.normal(size=asked.nv), rng.uniform(size=asked.na)
        control = rng.uniform(-1.0, 1.0, len(data.ctrl))
        before = _acceleration(asked, data, q, v, act, control)
        for joint in set(range(asked.njnt)) - held:
            if (change := _travel(asked, joint, rng)) is not None:
                after = _acceleration(asked, data, q + change, v, act, control)
                if not np.allclose(before, after, rtol=0, atol=TOLERANCE * (1 + abs(before).max())):
                    held.add(joint)
    return held


def _travel(model: mujoco.MjModel, joint: int, rng: np.random.Generator) -> Array | None:
    """Draw a change of q that a system without a hold does not feel; None for other joints."""
    kind, place = int(model.jnt_type[joint]), int(model.jnt_qposadr[joint])
    change = np.zeros(model.nq)
    root = model.body_parentid[model.jnt_bodyid[joint]] == 0
    if kind == mujoco.mjtJoint.mjJNT_FREE:
        change[place : place + 2] = rng.uniform(-FARTHEST, FARTHEST, 2)
    elif model.jnt_limited[joint]:
        return None
    elif kind == mujoco.mjtJoint.mjJNT_SLIDE and root:
        change[place] = rng.uniform(-FARTHEST, FARTHEST)
    elif kind == mujoco.mjtJoint.mjJNT_HINGE:
        change[place] = 2 * np.pi * rng.integers(1, TURNS + 1)
    else:
        return None
    return change


def _acceleration(
    model: mujoco.MjModel, data: mujoco.MjData, q: Array, v: Array, act: Array, control: Array
) -> Array:
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:], data.act[:], data.ctrl[:] = q, v, act, control
    mujoco.mj_forward(model, data)
    return np.array(data.qacc)
