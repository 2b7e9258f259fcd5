"""Readings that are vectors along the world's axes, seen along those of the free body they act on.

MuJoCo has forces and accelerations of bodies along the world's axes. What a free robot's forces are
along its own axes does not depend on where it heads, so that is what a network predicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_envs.dynamics.frame import Frames
from learned_envs.kinematics.links import Links, replacing
from learned_envs.systems.sensor import Sensor, total_size
from learned_envs.systems.spec import SystemSpec

SPATIAL = ("cfrc_ext", "cfrc_int", "cacc", "cvel")
"""Arrays of MuJoCo's data that have two vectors for each body, one after the other."""


class WorldVectors(nn.Module):
    """Turns vectors among readings into the frames of bodies that nothing joins to the world.

    Attributes:
        all: whether there is nothing else among the readings.
    """

    own: Tensor
    own_last: Tensor
    places: Tensor | None

    def __init__(self, spec: SystemSpec, sensors: Sequence[Sensor]) -> None:
        super().__init__()
        self.frames = Frames(spec)
        links = Links(spec)
        bases = links.free_base(torch.tensor(links.carrier)).repeat_interleave(2)
        spatial = [s.name in SPATIAL and s.size == 3 * len(bases) for s in sensors]
        self.all, self.turns = all(spatial), self.frames.rotates and any(spatial)
        own: list[int] = []
        start = 0
        for sensor, vectors in zip(sensors, spatial, strict=True):
            own += range(start, start + sensor.size) if vectors else ()
            start += sensor.size
        self.register_buffer("own", torch.tensor(own, dtype=torch.long), persistent=False)
        self.register_buffer("own_last", replacing(total_size(sensors), own), persistent=False)
        places = self.frames.places(bases.repeat(sum(spatial)))
        self.register_buffer("places", places, persistent=False)

    def enter(self, q: Tensor, values: Tensor) -> Tensor:
        """Return the readings at q (*batch, nq), (*batch, n), with vectors along own axes."""
        return self._turned(values, self.frames(q)) if self.turns else values

    def leave(self, q: Tensor, values: Tensor) -> Tensor:
        """Return the readings with vectors along the world's axes, as MuJoCo has them."""
        return self._turned(values, self.frames(q).mT) if self.turns else values

    def leave_spread(self, q: Tensor, spread: Tensor) -> Tensor:
        """Return the spread of errors along the world's axes, of those along own axes.

        Errors along different axes count as independent.
        """
        if not self.turns:
            return spread
        return self._turned(spread.square(), self.frames(q).mT.square()).sqrt()

    def _turned(self, values: Tensor, rotation: Tensor) -> Tensor:
        vectors = values.index_select(-1, self.own)
        vectors = vectors.reshape(*vectors.shape[:-1], -1, 3)
        turned = self.frames.points(rotation, vectors, self.places).flatten(-2)
        return torch.cat([values, turned], -1).index_select(-1, self.own_last)
