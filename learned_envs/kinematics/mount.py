"""How something hangs on the links of a kinematic tree."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from learned_envs.kinematics.links import double, transform
from learned_envs.kinematics.rotation import left_product
from learned_envs.systems.vector import Vector

WORLD = 0

_EYE = torch.eye(4).double()


class Mount(NamedTuple):
    """How something is fixed to a link.

    Attributes:
        link: index of the link.
        local: its 4 x 4 transform in the link's frame.
        turn: its quaternion in the link's frame, as a matrix; see `left_product`.
    """

    link: int
    local: Tensor = _EYE
    turn: Tensor = _EYE


def fixed_to(mount: Mount, pos: Vector, quat: Vector) -> Mount:
    """Return how something hangs on a tree that is fixed to something else there."""
    local = mount.local @ transform(pos, quat)
    return Mount(mount.link, local, mount.turn @ left_product(double(quat)))


def stacked(matrices: list[Tensor]) -> Tensor:
    """Return 4 x 4 matrices as one tensor (n, 4, 4)."""
    return torch.stack(matrices) if matrices else torch.zeros(0, 4, 4).double()
