"""MuJoCo's own small functions, of traced arrays: those that begin with `mju_`, and velocities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from learned_envs.rules.tracing import quaternion as quat
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.traced import Traced

if TYPE_CHECKING:
    from learned_envs.rules.tracing.physics import Physics

FILLED: dict[str, Callable[..., Any]] = {
    "mju_mulQuat": quat.product,
    "mju_negQuat": quat.conjugate,
    "mju_quat2Mat": lambda q: quat.matrix(q).reshape(-1),
    "mju_mat2Quat": lambda m: quat.of_matrix(m.reshape(3, 3)),
    "mju_rotVecQuat": quat.rotated,
    "mju_axisAngle2Quat": lambda axis, angle: np.concatenate(
        [np.cos(angle / 2).reshape(1), axis * np.sin(angle / 2)]
    ),
    "mju_quat2Vel": lambda q, dt: quat.vector(q) / dt,
    "mju_subQuat": lambda q, other: quat.vector(quat.product(quat.conjugate(other), q)),
    "mju_cross": np.cross,
    "mju_add": np.add,
    "mju_add3": np.add,
    "mju_sub": np.subtract,
    "mju_sub3": np.subtract,
    "mju_scl": np.multiply,
    "mju_scl3": np.multiply,
    "mju_copy": lambda x: x * 1.0,
    "mju_copy3": lambda x: x * 1.0,
    "mju_mulMatVec": np.matmul,
    "mju_mulMatTVec": lambda m, x: m.T @ x,
    "mju_mulMatVec3": lambda m, x: m.reshape(3, 3) @ x,
    "mju_mulMatTVec3": lambda m, x: m.reshape(3, 3).T @ x,
    "mju_mulMatMat": np.matmul,
}
"""Functions that fill their first argument with what they make of the others."""

GIVEN: dict[str, Callable[..., Any]] = {
    "mju_norm": np.linalg.norm,
    "mju_norm3": np.linalg.norm,
    "mju_dot": np.dot,
    "mju_dot3": np.dot,
    "mju_clip": np.clip,
    "mju_min": np.minimum,
    "mju_max": np.maximum,
    "mju_sign": np.sign,
}
"""Functions that return what they make of their arguments."""


def utility(name: str, args: list[Any], lift: Callable[[Any], Any]) -> Any:
    """Return what a function of MuJoCo's returns for traced arguments.

    Args:
        name: of the function.
        args: its arguments.
        lift: makes anything a traced array.

    Raises:
        UntraceableRulesError: if it is not known here.
    """
    if name in GIVEN:
        return GIVEN[name](*map(lift, args))
    if name in FILLED and isinstance(args[0], Traced):
        args[0][...] = lift(FILLED[name](*map(lift, args[1:]))).reshape(args[0].shape)
        return None
    if name in ("mju_normalize3", "mju_normalize4", "mju_normalize"):
        size = np.linalg.norm(lift(args[0]))
        args[0][...] = args[0] / size
        return size
    raise refusal(
        f"mujoco.{name} of the state or the action",
        "read data's arrays and sensors, and compute with numpy's functions",
    )


POSES = {
    mujoco.mjtObj.mjOBJ_BODY: ("xipos", "ximat"),
    mujoco.mjtObj.mjOBJ_XBODY: ("xpos", "xmat"),
    mujoco.mjtObj.mjOBJ_GEOM: ("geom_xpos", "geom_xmat"),
    mujoco.mjtObj.mjOBJ_SITE: ("site_xpos", "site_xmat"),
}


def object_velocity(physics: Physics, kind: int, index: int, result: Any, local: int) -> None:
    """Do as `mj_objectVelocity`: the velocity of a thing, turning first, from that of its body."""
    kind = mujoco.mjtObj(kind)
    if kind not in POSES or not isinstance(result, Traced):
        raise refusal("mujoco.mj_objectVelocity in this form", "ask for bodies, geoms or sites")
    position, turned = (getattr(physics.proxy, name)[index] for name in POSES[kind])
    model = physics.model
    owner = {"geom_xpos": model.geom_bodyid, "site_xpos": model.site_bodyid}.get(POSES[kind][0])
    body = index if owner is None else int(owner[index])
    velocity = physics.proxy.cvel[body]
    apart = position - physics.proxy.subtree_com[int(model.body_rootid[body])]
    parts = [velocity[:3], velocity[3:] + np.cross(velocity[:3], apart)]
    if local:
        parts = [turned.reshape(3, 3).T @ part for part in parts]
    result[...] = np.concatenate(parts)
