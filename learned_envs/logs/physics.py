"""MuJoCo itself, from many states at once."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from mujoco import rollout
from scipy.spatial.transform import Rotation

from learned_envs.logs.stream import Array
from learned_envs.systems.spec import SystemSpec
from learned_envs.workers import usable_cores


def physics_of(file: Path, spec: SystemSpec) -> mujoco.MjModel:
    """Load an MJCF or a URDF, whose steps are the spec's."""
    model = mujoco.MjModel.from_xml_path(str(file))
    model.opt.timestep = spec.timestep
    return model


def rolled(
    model: mujoco.MjModel, spec: SystemSpec, q: Array, v: Array, controls: Array
) -> tuple[Array, Array]:
    """Step a model from states by controls, whatever rules say.

    Args:
        model: its physics; a step of it is a `frame_skip`-th of the spec's.
        spec: the system.
        q: (n, nq), where to start.
        v: (n, nv).
        controls: (n, steps, nu), each for a whole step of the spec.

    Returns:
        Positions (n, steps, nq) and velocities (n, steps, nv). What blows up is not finite.
    """
    count, steps = controls.shape[:2]
    size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    places, speeds = slice(1, 1 + spec.nq), slice(1 + spec.nq, 1 + spec.nq + spec.nv)
    start = np.zeros((count, size))
    start[:, places], start[:, speeds] = q, v
    held = np.repeat(controls.astype(np.float64), spec.frame_skip, 1)
    # One thread for each.
    data = [mujoco.MjData(model) for _ in range(min(usable_cores(), count))]
    states, _ = rollout.rollout(model, data, start, held, nstep=steps * spec.frame_skip)
    reached = states[:, spec.frame_skip - 1 :: spec.frame_skip]
    return reached[..., places], reached[..., speeds]


def tangent(spec: SystemSpec, q: Array, v: Array, other_q: Array, other_v: Array) -> Array:
    """Return the difference of states in the tangent space, (..., 2 nv)."""
    parts = []
    for joint in spec.joints:
        if joint.kind != "free":
            parts.append(q[..., joint.q, None] - other_q[..., joint.q, None])
            continue
        place, turn = slice(joint.q, joint.q + 3), slice(joint.q + 3, joint.q + 7)
        parts.append(q[..., place] - other_q[..., place])
        shape = np.broadcast_shapes(q[..., turn].shape, other_q[..., turn].shape)
        ours, theirs = (
            Rotation.from_quat(np.broadcast_to(x, shape).reshape(-1, 4), scalar_first=True)
            for x in (_unit(q[..., turn]), _unit(other_q[..., turn]))
        )
        parts.append((theirs.inv() * ours).as_rotvec().reshape(*shape[:-1], 3))
    return np.concatenate([*parts, v - other_v], -1)


def _unit(quaternions: Array) -> Array:
    bad = ~np.isfinite(quaternions).all(-1, keepdims=True)
    return np.where(bad, np.array([1.0, 0.0, 0.0, 0.0]), np.nan_to_num(quaternions, nan=1.0))
