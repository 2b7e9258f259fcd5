"""How each degree of freedom moves what hangs on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learned_envs.kinematics.links import Links, double, register_constants
from learned_envs.systems.spec import Joint, SystemSpec
from learned_envs.systems.vector import Vector


class Screws(nn.Module):
    """The axes that a system's velocities turn about and slide along.

    Attributes:
        frame: (nv) the link in whose frame each axis is fixed.
        turns: (nv, 1) 1 for rotations and 0 for translations.
    """

    frame: Tensor
    axis: Tensor
    anchor: Tensor
    turns: Tensor

    def __init__(self, spec: SystemSpec, links: Links) -> None:
        super().__init__()
        dofs = [dof for joint in spec.joints for dof in _dofs(joint, links.link_of[joint.v])]
        self._moving = links.carries[:, [dof[0] for dof in dofs]]
        register_constants(
            self,
            frame=torch.tensor([dof[1] for dof in dofs]).long(),
            axis=double([dof[2] for dof in dofs]).reshape(-1, 3, 1),
            anchor=double([(*dof[3], 1.0) for dof in dofs]).reshape(-1, 4, 1),
            turns=double([dof[4] for dof in dofs]).reshape(-1, 1),
        )

    def moving(self, links: Tensor | int) -> Tensor:
        """Return which velocities move some links (n), (n, nv) of 0 and 1."""
        return self._moving[links]

    def forward(self, links: Tensor) -> tuple[Tensor, Tensor]:
        """Return the axis each v turns about, and how it moves the origin, (*batch, nv, 3) each."""
        frames = links.index_select(-3, self.frame)
        axis = (frames[..., :3, :3] @ self.axis).squeeze(-1)
        anchor = (frames[..., :3, :] @ self.anchor).squeeze(-1)
        moment = torch.linalg.cross(anchor, axis)
        return axis * self.turns, torch.lerp(axis, moment, self.turns)


def _dofs(joint: Joint, link: int) -> list[tuple[int, int, Vector, Vector, float]]:
    """List a joint's degrees of freedom: link, link of the frame, axis and anchor in that frame.

    The last entry is 1 for a rotation and 0 for a translation.
    """
    if joint.kind != "free":
        return [(link, link, joint.axis, joint.pos, float(joint.kind == "hinge"))]
    origin: Vector = (0.0, 0.0, 0.0)
    axes: tuple[Vector, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    # A free joint's velocity is linear in the world's axes and angular in the body's.
    return [(link, 0, axis, origin, 0.0) for axis in axes] + [
        (link, link, axis, origin, 1.0) for axis in axes
    ]
