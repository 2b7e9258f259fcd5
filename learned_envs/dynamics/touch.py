"""What a network sees of shapes that may meet one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learned_envs.dynamics.frame import Frames
from learned_envs.kinematics import Kinematics

SCALES = (0.01, 0.1)
"""Distances (metres) over which touch fades: a step's travel, and a limb's width."""


class Touch(nn.Module):
    """Pairs of shapes, as numbers that fade to zero with their distance.

    Of each pair these are its nearness now and after a step at two scales, and at the larger one
    the normal and the relative velocity, along the axes of the free body that its first shape
    hangs on, or else its second. Nearness is 1 - tanh(distance / scale): 1 at touch.
    """

    places: Tensor | None

    def __init__(self, kinematics: Kinematics, frames: Frames) -> None:
        super().__init__()
        self.kinematics, self.frames = kinematics, frames
        self.register_buffer("places", frames.places(kinematics.pair_base), persistent=False)

    def forward(self, q: Tensor, v: Tensor, rotation: Tensor) -> Tensor:
        """Return 10 numbers of each pair, (*batch, 10 np).

        Args:
            q: (*batch, nq).
            v: (*batch, nv).
            rotation: of the frames at q; see `Frames`.
        """
        distance, later, normal, velocity = self.kinematics.pairs(q, v)
        apart = torch.cat([distance, later], -1)
        near = [1 - torch.tanh(apart / scale) for scale in SCALES]
        # Overlapping shapes count as touching, so that what they show keeps its units.
        gate = near[-1][..., : distance.shape[-1], None].clamp(max=1.0)
        seen = (
            self.frames.points(rotation, vector, self.places) * gate
            for vector in (normal, velocity)
        )
        return torch.cat([*near, *(vector.flatten(-2) for vector in seen)], -1)
