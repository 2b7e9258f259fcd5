"""Readings of an MJCF's sensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.placed import Placed
from learned_envs.kinematics.rotation import quaternion_product

Quantity = Callable[[Instant], Tensor]

AXES = {"framexaxis": 0, "frameyaxis": 1, "framezaxis": 2}


class FrameReading(Part):
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

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the reading, (*batch, 3), or (*batch, 4) of an orientation."""
        frame, reference = self._frame, self._reference
        if self._kind == "framequat":
            quat: Tensor = frame.quaternions(at)
            if reference is not None:
                other = reference.quaternions(at)
                quat = quaternion_product(torch.cat([other[..., :1], -other[..., 1:]], -1), quat)
            return quat[..., 0, :]
        if self._kind in AXES:
            vector: Tensor = frame.rotations(at)[..., AXES[self._kind]]
        elif self._kind == "framepos":
            vector = frame.positions(at) if reference is None else self._gap(at, reference)
        else:
            vector = self._velocity(at, reference)
        if reference is not None:
            vector = local(reference.rotations(at), vector)
        return vector[..., 0, :]

    def _gap(self, at: Instant, reference: Placed) -> Tensor:
        gap: Tensor = self._frame.positions(at) - reference.positions(at)
        return gap

    def _velocity(self, at: Instant, reference: Placed | None) -> Tensor:
        angular, linear = self._frame.velocities(at)
        if reference is None:
            return linear if self._kind == "framelinvel" else angular
        turning, moving = reference.velocities(at)
        if self._kind == "frameangvel":
            return angular - turning
        swept: Tensor = torch.linalg.cross(turning, self._gap(at, reference))
        return linear - moving - swept


class SiteReading(Part):
    """What a gyro, a velocimeter or a magnetometer at a site reads, in its axes."""

    magnetic: Tensor

    def __init__(self, kind: str, site: Placed, magnetic: tuple[float, ...]) -> None:
        super().__init__()
        self._kind, self._site = kind, site
        register_constants(self, magnetic=double([magnetic]))

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the reading, (*batch, 3)."""
        if self._kind == "magnetometer":
            vector = self.magnetic
        else:
            angular, linear = self._site.velocities(at)
            vector = angular if self._kind == "gyro" else linear
        return local(self._site.rotations(at), vector)[..., 0, :]


class Column(Part):
    """Some numbers of a quantity: those at an index of its last dimension, or rows of a matrix."""

    def __init__(self, quantity: Quantity, index: int, *, row: bool = False) -> None:
        super().__init__()
        self._quantity, self._index, self._row = quantity, index, row

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the number (*batch, 1), or the row (*batch, size)."""
        value: Tensor = self._quantity(at)
        index = self._index
        return value[..., index, :] if self._row else value[..., index : index + 1]


class Coordinate(Part):
    """A number of q or of v."""

    def __init__(self, name: str, index: int) -> None:
        super().__init__()
        self._name, self._index = name, index

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the number, (*batch, 1)."""
        state = at.q if self._name == "q" else at.v
        return state[..., self._index : self._index + 1]


class Total(Part):
    """The sum of some numbers of a quantity."""

    members: Tensor

    def __init__(self, quantity: Quantity, members: list[float]) -> None:
        super().__init__()
        self._quantity = quantity
        register_constants(self, members=double(members))

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the sum, (*batch, 1)."""
        return (self._quantity(at) * self.members).sum(-1, keepdim=True)


class Clipped(Part):
    """A reading of which no number is larger than a cutoff."""

    def __init__(self, reading: Quantity, cutoff: float) -> None:
        super().__init__()
        self._reading, self._cutoff = reading, cutoff

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the reading."""
        reading: Tensor = self._reading(at)
        return reading.clamp(-self._cutoff, self._cutoff)


class Joined(Part):
    """Readings one behind the other: MuJoCo's sensordata."""

    def __init__(self, readings: list[Quantity]) -> None:
        super().__init__()
        self._readings = readings

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return all readings, (*batch, nsensordata)."""
        return torch.cat([reading(at) for reading in self._readings], -1)


def local(rotation: Tensor, vector: Tensor) -> Tensor:
    """Return vectors (*batch, n, 3) in the axes of frames (*batch, n, 3, 3)."""
    return (rotation.mT @ vector.unsqueeze(-1)).squeeze(-1)
