"""Where a system was when MuJoCo last derived something from its state.

`mj_step` derives poses, velocities and forces first and moves q and v last. So what stands in
MuJoCo's data after a step belongs to a state one step of the solver before
(https://mujoco.readthedocs.io/en/stable/computation, "Forward dynamics"). RK4 derives last at a
guess of where the step ends.
"""

from __future__ import annotations

import torch
from torch import Tensor

from learned_envs.kinematics.rotation import quaternion_of, quaternion_product, unit
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import SystemSpec


def lags(equipment: Equipment) -> bool:
    """Whether derived arrays belong to an earlier state than q and v after a step."""
    return equipment.integrator != "RK4"


def lagged(
    spec: SystemSpec, equipment: Equipment, q: Tensor, v: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the state that derived arrays belong to, after a step of the environment.

    Positions are exact: every integrator but RK4 moves q by the new v. Velocities are an estimate,
    as if the step's change of v were spread evenly over the solver's steps. It is exact if there is
    but one of them, and the error is that of one solver step's acceleration.

    Args:
        spec: the system.
        equipment: says which integrator MuJoCo uses.
        q: (*batch, nq) after the step.
        v: (*batch, nv) after the step.
        before: (*batch, nv), v before the step.

    Returns:
        q and v; as they are if the integrator is RK4.
    """
    if not lags(equipment):
        return q, v
    return moved(spec, q, v * -spec.timestep), v - (v - before) / spec.frame_skip


def moved(spec: SystemSpec, q: Tensor, displacement: Tensor) -> Tensor:
    """Return q (*batch, nq) moved by a displacement (*batch, nv), as `mj_integratePos` does."""
    if spec.nq == spec.nv:
        return q + displacement
    parts, place, dof = [], 0, 0
    for joint in spec.joints:
        if joint.kind != "free":
            continue
        # Everything up to the quaternion has one number in v for each in q.
        end, turn = joint.q + 3, joint.v + 3
        parts.append(q[..., place:end] + displacement[..., dof:turn])
        quat = q[..., end : end + 4]
        turned = quaternion_product(quat, quaternion_of(displacement[..., turn : turn + 3]))
        parts.append(unit(turned))
        place, dof = end + 4, turn + 3
    parts.append(q[..., place:] + displacement[..., dof:])
    return torch.cat(parts, -1)
