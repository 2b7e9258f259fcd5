"""What a network sees of a state and an action: coordinates that the motion depends on."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.dynamics.coordinates import Coordinates
from learned_envs.dynamics.frame import Frames
from learned_envs.dynamics.given import seen_size
from learned_envs.dynamics.touch import Touch
from learned_envs.errors import ShapeError
from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.links import chosen
from learned_envs.systems.spec import SystemSpec

CONTACT_SCALES = (0.01, 0.1)
"""Heights (metres) over which contact is told from flight: a step's travel, and a limb's width."""

LIMIT_SCALES = (0.01, 0.1)
"""Distances (metres or radians) over which a joint at its limit is told from a free one."""

LIMIT_TIMES = (0.0, 1.0)
"""The times at which a model of motion sees distances from limits, in steps: now and after one."""

LEAST_SPREAD = 1e-3
"""A feature is divided by at least this."""


class Standardised(nn.Module):
    """Numbers that are scaled to zero mean and unit spread over the data.

    Attributes:
        mean: (size) of the data.
        scale: (size) one over its spread, or 1 for constants.
    """

    mean: Tensor
    scale: Tensor

    def hold(self, size: int) -> None:
        """Make the constants of `size` numbers. They change nothing until they are measured."""
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def standardise(self, raw: Tensor) -> Tensor:
        """Return (*batch, size) numbers with zero mean and unit spread over the data."""
        return (raw - self.mean) * self.scale

    @torch.no_grad()
    def measure(self, raw: Tensor, least: float = 0.0, leaves: slice | None = None) -> None:
        """Set the constants from data.

        Args:
            raw: (n, size).
            least: what varies by less is divided by this. What does not vary is not scaled.
            leaves: which numbers are leaves of the state. They have units of their own, such as
                the inertia of a small body, so only their rounding counts as not varying.
        """
        spread, mean = raw.std(0), raw.mean(0)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(spread > 1e-6, 1 / spread.clamp_min(least), 1.0))
        if leaves is not None:
            own, rounding = spread[leaves], (1e-6 * mean[leaves].abs()).clamp_min(1e-30)
            self.scale[leaves] = torch.where(own > rounding, 1 / own, 1.0)


class Features(Standardised):
    """Invariant coordinates, velocities, what is given and contact geometry, standardised.

    A free body is seen in its own frame; see `Coordinates` and `Frames`. Of each contact point the
    network sees its height now and after a ballistic step, squashed at two scales, and its
    velocity; and of shapes that meet one another what `Touch` says. If `limit_times` are given, it
    sees how far each limited joint will be from its limits after so many steps of unchanged
    velocity, squashed at two scales.

    Attributes:
        size: how many features there are.
        given: how many of them are the action and leaves of the state.
        seen: how many are leaves.
        frames: of free bodies.
    """

    places: Tensor | None
    squash: Tensor
    limit_map: Tensor
    limit_offset: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        kinematics: Kinematics,
        contact_geometry: bool,
        limit_times: tuple[float, ...] = (),
        headings: bool = False,
    ) -> None:
        """Choose what is seen.

        Args:
            spec: the system.
            kinematics: its geometry.
            contact_geometry: whether contact points are seen.
            limit_times: when distances from joints' limits are seen, in steps from now.
            headings: whether the headings of free bodies are seen though the motion does not
                depend on them, as readings along the world's axes do.
        """
        super().__init__()
        self.kinematics, self.frames = kinematics, Frames(spec)
        self.contact_geometry = contact_geometry and kinematics.contact_count > 0
        self.touch = (
            Touch(kinematics, self.frames) if contact_geometry and kinematics.pair_count else None
        )
        self.register_buffer(
            "places", self.frames.places(kinematics.contact_base), persistent=False
        )
        self.coordinates = Coordinates(spec, self.frames, headings)
        limits = [(j, limit) for j in spec.joints if j.limits is not None for limit in j.limits]
        seen = [(*when, *limit) for when in product(limit_times, LIMIT_SCALES) for limit in limits]
        beyond = torch.zeros(len(seen), spec.nq + spec.nv)
        for row, (time, _, joint, _) in zip(beyond, seen, strict=True):
            row[joint.q], row[spec.nq + joint.v] = 1.0, time * spec.dt
        offset = torch.tensor([-limit for *_, limit in seen])
        self.register_buffer("limit_map", beyond, persistent=False)
        self.register_buffer("limit_offset", offset, persistent=False)
        heights = 2 * kinematics.contact_count if self.contact_geometry else 0
        scales = [scale for scale in CONTACT_SCALES for _ in range(heights)]
        scales += [scale for _, scale, *_ in seen]
        self.register_buffer("squash", 1 / torch.tensor(scales), persistent=False)
        with torch.no_grad():
            q = torch.tensor(spec.q0, dtype=torch.float32)
            self.seen = seen_size(spec)
            self.given = spec.nu + self.seen
            self.size = self._raw(
                q, torch.zeros(spec.nv), torch.zeros(self.given), self.frames(q)
            ).shape[-1]
        self.hold(self.size)

    def forward(
        self, q: Tensor, v: Tensor, given: Tensor, rotation: Tensor | None = None
    ) -> Tensor:
        """Return the features, (*batch, size), with zero mean and unit spread over the data.

        Args:
            q: (*batch, nq).
            v: (*batch, nv).
            given: (*batch, nu + n), the action and the n numbers of leaves that are seen; see
                [`given_by`][learned_envs.dynamics.given.given_by].
            rotation: of the frames at q, if it is known already; see `Frames`.

        Raises:
            ShapeError: if something else is given.
        """
        rotation = self.frames(q) if rotation is None else rotation
        return self.standardise(self._raw(q, v, given, rotation))

    def normalise(self, q: Tensor, v: Tensor, given: Tensor) -> None:
        """Set the mean and the scale from data, (n, .) each. Constants are not scaled.

        What hardly varies, such as a squashed height far from the ground, is not scaled to unit
        spread, because that would magnify its rounding.
        """
        first = len(self.coordinates.travel) + v.shape[-1] + self.given
        leaves = slice(first - self.seen, first) if self.seen else None
        self.measure(self._raw(q, v, given, self.frames(q)), LEAST_SPREAD, leaves)

    def _raw(self, q: Tensor, v: Tensor, given: Tensor, rotation: Tensor) -> Tensor:
        if given.shape[-1] != self.given:
            raise ShapeError(
                f"Got {given.shape[-1]} numbers beside q and v, expected {self.given}: the action "
                "and the leaves that the spec says are seen. Pass given_by(spec, state, action)."
            )
        parts = [self.coordinates.travelled(q), self.frames.enter(rotation, v), given]
        parts += self.coordinates.turned(q, rotation)
        if self.coordinates.related:
            parts.append(self.coordinates.between(rotation, chosen(v, self.frames.linear)))
        if self.touch is not None:
            parts.append(self.touch(q, v, rotation))
        near = []
        if self.contact_geometry:
            height, later, velocity = self.kinematics.contacts(q, v)
            velocity = self.frames.points(rotation, velocity, self.places)
            parts += [height, velocity.flatten(-2)]
            near += [height, later] * len(CONTACT_SCALES)
        if len(self.limit_map):
            near.append(functional.linear(torch.cat([q, v], -1), self.limit_map, self.limit_offset))
        if near:
            parts.append(torch.tanh(torch.cat(near, -1) * self.squash))
        return torch.cat(parts, -1)
