"""Lengths, velocities and moments of actuators: MuJoCo's transmission."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.placed import Placed
from learned_envs.kinematics.tendon import Pushes, Tendons
from learned_envs.systems.equipment import Actuator
from learned_envs.systems.spec import SystemSpec


class Transmission(Part):
    """What actuators act on, each scaled by its gear."""

    by_q: Tensor
    by_v: Tensor
    by_tendon: Tensor
    by_site: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        actuators: Sequence[Actuator],
        tendons: Tendons | None,
        sites: SiteTransmission | None,
    ) -> None:
        """Lay out actuators.

        Args:
            spec: the system.
            actuators: all of them.
            tendons: of all those that act on a tendon, in order.
            sites: of all those that act on a site, in order.
        """
        super().__init__()
        self.tendons, self.sites = tendons, sites
        by_q = torch.zeros(len(actuators), spec.nq).double()
        by_v = torch.zeros(len(actuators), spec.nv).double()
        places: dict[str, list[int]] = {"tendon": [], "site": []}
        for row, actuator in enumerate(actuators):
            if actuator.transmission != "joint":
                places[actuator.transmission].append(row)
                continue
            joint = spec.joints[actuator.target]
            if joint.kind == "free":
                by_v[row, joint.v : joint.v + 6] = double(actuator.gear)
            else:
                by_q[row, joint.q] = by_v[row, joint.v] = actuator.gear[0]
        by_tendon = torch.zeros(len(actuators), len(places["tendon"])).double()
        for column, row in enumerate(places["tendon"]):
            by_tendon[row, column] = actuators[row].gear[0]
        by_site = torch.zeros(len(actuators), len(places["site"])).double()
        by_site[places["site"], range(len(places["site"]))] = 1.0
        register_constants(self, by_q=by_q, by_v=by_v, by_tendon=by_tendon, by_site=by_site)

    @quantity
    def lengths(self, at: Instant) -> Tensor:
        """Return the lengths, (*batch, n)."""
        length = at.q @ self.by_q.mT
        if self.tendons:
            length = length + self.tendons.lengths(at) @ self.by_tendon.mT
        if self.sites:
            length = length + self.sites.lengths(at) @ self.by_site.mT
        return length

    @quantity
    def velocities(self, at: Instant) -> Tensor:
        """Return how fast the lengths grow, (*batch, n)."""
        velocity = at.v @ self.by_v.mT
        if self.tendons:
            velocity = velocity + self.tendons.velocities(at) @ self.by_tendon.mT
        if self.sites:
            moved = (self.sites.moments(at) @ at.v.unsqueeze(-1)).squeeze(-1)
            velocity = velocity + moved @ self.by_site.mT
        return velocity

    @quantity
    def moments(self, at: Instant) -> Tensor:
        """Return what a unit of each force does to v, (n, nv) or (*batch, n, nv)."""
        moment = self.by_v
        if self.tendons:
            moment = moment + self.by_tendon @ self.tendons.moments(at)
        if self.sites:
            moment = moment + self.by_site @ self.sites.moments(at)
        return moment


class SiteTransmission(Part):
    """Actuators that push and turn sites; some push them as seen from another site."""

    push: Tensor
    turn: Tensor
    referred: Tensor

    def __init__(
        self, actuators: Sequence[Actuator], sites: Placed, references: Placed, pushes: Pushes
    ) -> None:
        """Lay out actuators that act on sites.

        Args:
            actuators: n of them.
            sites: what they act on.
            references: the sites that the motion is measured from; those of actuators without one
                are the sites themselves.
            pushes: what forces do.
        """
        super().__init__()
        self._sites, self._references, self._pushes = sites, references, pushes
        self._refers = any(actuator.reference >= 0 for actuator in actuators)
        gears = double([actuator.gear for actuator in actuators])
        register_constants(
            self,
            push=gears[:, :3],
            turn=gears[:, 3:],
            referred=double([[float(actuator.reference >= 0)] for actuator in actuators]),
        )

    @quantity
    def lengths(self, at: Instant) -> Tensor:
        """Return the lengths, (*batch, n): 0 for those without a reference."""
        if not self._refers:
            return at.q.new_zeros(*at.q.shape[:-1], len(self.push))
        gap = self._sites.positions(at) - self._references.positions(at)
        rotation = self._references.rotations(at)
        local = (rotation.mT @ gap.unsqueeze(-1)).squeeze(-1)
        return (local * self.push * self.referred).sum(-1)

    @quantity
    def moments(self, at: Instant) -> Tensor:
        """Return what a unit of each force does to v, (*batch, n, nv)."""
        rotation = self._references.rotations(at)
        force = (rotation @ self.push.unsqueeze(-1)).squeeze(-1)
        torque = (rotation @ self.turn.unsqueeze(-1)).squeeze(-1)
        alone: Tensor = self._pushes(at, self._sites, force, torque)
        if not self._refers:
            return alone
        there = self._pushes(at, self._sites, force, torque, self._references)
        back = self._pushes(at, self._references, force, torque, self._sites)
        return torch.where(self.referred > 0, there - back, alone)
