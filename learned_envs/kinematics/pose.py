"""Poses that q or a leaf of the state gives as they are: position and unit quaternion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.rotation import unit
from learned_envs.kinematics.table import DrawnConstants, Leaves, Table
from learned_envs.systems.spec import Body, Joint

Pose = tuple[Tensor, Tensor]
"""Position (*batch, 3) and unit quaternion (*batch, 4)."""


class FreePose(nn.Module):
    """The pose of a free joint's body, from q."""

    def __init__(self, joint: Joint) -> None:
        super().__init__()
        self._start = joint.q

    def forward(self, q: Tensor, leaves: Leaves) -> Pose:
        """Return the pose at q (*batch, nq)."""
        middle = self._start + 3
        return q[..., self._start : middle], unit(q[..., middle : middle + 4])


class MocapPose(nn.Module):
    """The pose of a body that is moved from outside.

    What no leaf gives is as in the MJCF, where MuJoCo's reset leaves it.
    """

    pos: Tensor
    quat: Tensor

    def __init__(self, body: Body, index: int) -> None:
        super().__init__()
        self._index = index
        register_constants(self, pos=double(body.pos), quat=double(body.quat))

    def forward(self, q: Tensor, leaves: Leaves) -> Pose:
        """Return the pose that leaves "mocap_pos" and "mocap_quat" give."""
        batch, index = q.shape[:-1], self._index
        pos, quat = self.pos.expand(*batch, 3), self.quat.expand(*batch, 4)
        if "mocap_pos" in leaves:
            pos = leaves["mocap_pos"][..., 3 * index : 3 * index + 3]
        if "mocap_quat" in leaves:
            quat = leaves["mocap_quat"][..., 4 * index : 4 * index + 4]
        return pos, unit(quat)


class DrawnPose(nn.Module):
    """The pose of a body on its parent, of which resets draw a part."""

    def __init__(self, bodies: Sequence[Body], index: int, drawn: DrawnConstants) -> None:
        super().__init__()
        self._pos = Table(drawn, "body_pos", [body.pos for body in bodies], [index])
        self._quat = Table(drawn, "body_quat", [body.quat for body in bodies], [index])

    def forward(self, q: Tensor, leaves: Leaves) -> Pose:
        """Return the pose that the leaves give."""
        pos, quat = self._pos(leaves)[..., 0, :], self._quat(leaves)[..., 0, :]
        return pos.expand(*q.shape[:-1], 3), quat.expand(*q.shape[:-1], 4)


def pose_matrix(rotation: Tensor, pos: Tensor) -> Tensor:
    """Return the 4 x 4 transforms of rotations (*batch, 3, 3) and positions (*batch, 3)."""
    placed = torch.cat([rotation, pos.unsqueeze(-1)], -1)
    zero = torch.zeros_like(placed[..., :1, :1])
    return torch.cat([placed, torch.cat([zero, zero, zero, zero + 1], -1)], -2)
