"""Readings of an MJCF's sensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from learned_envs.kinematics.instant import Instant
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.placed import Placed
from learned_envs.kinematics.rotation import quaternion_product

Quantity = Callable[[Instant], Tensor]

AXES = {"framexaxis": 0, "frameyaxis": 1, "framezaxis": 2}


class FrameReading(nn.Module):
    """The pose or the velocity of a frame, in the world or as seen from another frame."""

    def __init__(self, kind: str, frame: Placed, reference: Placed | None) -> None:
        """Take a reading.

        Args:
            kind: MuJoCo's name of the sensor's type, in lower case.
            frame: one frame.
            reference: one frame; None for the world.
        """
        super().__init__()
        self._kind, self._frame, self._reference = kind, frame, reference

    def forward(self, at: Instant) -> Tensor:
        """Return the reading, (*batch, 3), or (*batch, 4) of an orientation."""
        frame, reference = self._frame, self._reference
        if self._kind == "framequat":
            quat: Tensor = at[frame.quaternions]
            if reference is not None:
                other = at[reference.quaternions]
                quat = quaternion_product(torch.cat([other[..., :1], -other[..., 1:]], -1), quat)
            return quat[..., 0, :]
        if self._kind in AXES:
            vector: Tensor = at[frame.rotations][..., AXES[self._kind]]
        elif self._kind == "framepos":
            vector = at[frame.positions] if reference is None else self._gap(at, reference)
        else:
            vector = self._velocity(at, reference)
        if reference is not None:
            vector = local(at[reference.rotations], vector)
        return vector[..., 0, :]

    def _gap(self, at: Instant, reference: Placed) -> Tensor:
        gap: Tensor = at[self._frame.positions] - at[reference.positions]
        return gap

    def _velocity(self, at: Instant, reference: Placed | None) -> Tensor:
        angular, linear = at[self._frame.velocities]
        if reference is None:
            return linear if self._kind == "framelinvel" else angular
        turning, moving = at[reference.velocities]
        if self._kind == "frameangvel":
            return angular - turning
        swept: Tensor = torch.linalg.cross(turning, self._gap(at, reference))
        return linear - moving - swept


class SiteReading(nn.Module):
    """What a gyro, a velocimeter or a magnetometer at a site reads, in its axes."""

    magnetic: Tensor

    def __init__(self, kind: str, site: Placed, magnetic: tuple[float, ...]) -> None:
        super().__init__()
        self._kind, self._site = kind, site
        register_constants(self, magnetic=double([magnetic]))

    def forward(self, at: Instant) -> Tensor:
        """Return the reading, (*batch, 3)."""
        if self._kind == "magnetometer":
            vector = self.magnetic
        else:
            angular, linear = at[self._site.velocities]
            vector = angular if self._kind == "gyro" else linear
        return local(at[self._site.rotations], vector)[..., 0, :]


class Column(nn.Module):
    """Some numbers of a quantity: those at an index of its last dimension, or rows of a matrix."""

    def __init__(self, quantity: Quantity, index: int, *, row: bool = False) -> None:
        super().__init__()
        self._quantity, self._index, self._row = quantity, index, row

    def forward(self, at: Instant) -> Tensor:
        """Return the number (*batch, 1), or the row (*batch, size)."""
        value: Tensor = at[self._quantity]
        index = self._index
        return value[..., index, :] if self._row else value[..., index : index + 1]


class Coordinate(nn.Module):
    """A number of q or of v."""

    def __init__(self, name: str, index: int) -> None:
        super().__init__()
        self._name, self._index = name, index

    def forward(self, at: Instant) -> Tensor:
        """Return the number, (*batch, 1)."""
        state = at.q if self._name == "q" else at.v
        return state[..., self._index : self._index + 1]


class Total(nn.Module):
    """The sum of some numbers of a quantity."""

    members: Tensor

    def __init__(self, quantity: Quantity, members: list[float]) -> None:
        super().__init__()
        self._quantity = quantity
        register_constants(self, members=double(members))

    def forward(self, at: Instant) -> Tensor:
        """Return the sum, (*batch, 1)."""
        return (at[self._quantity] * self.members).sum(-1, keepdim=True)


class Clipped(nn.Module):
    """A reading of which no number is larger than a cutoff."""

    def __init__(self, reading: Quantity, cutoff: float) -> None:
        super().__init__()
        self._reading, self._cutoff = reading, cutoff

    def forward(self, at: Instant) -> Tensor:
        """Return the reading."""
        reading: Tensor = at[self._reading]
        return reading.clamp(-self._cutoff, self._cutoff)


class Joined(nn.Module):
    """Readings one behind the other: MuJoCo's sensordata."""

    def __init__(self, readings: list[Quantity]) -> None:
        super().__init__()
        self._readings = readings

    def forward(self, at: Instant) -> Tensor:
        """Return all readings, (*batch, nsensordata)."""
        return torch.cat([at[reading] for reading in self._readings], -1)


def local(rotation: Tensor, vector: Tensor) -> Tensor:
    """Return vectors (*batch, n, 3) in the axes of frames (*batch, n, 3, 3)."""
    return (rotation.mT @ vector.unsqueeze(-1)).squeeze(-1)
