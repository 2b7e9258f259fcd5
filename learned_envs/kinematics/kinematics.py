"""Where the bodies of a system are: batched forward kinematics in torch, from a `SystemSpec`.

Conventions are MuJoCo's (https://mujoco.readthedocs.io/en/stable/computation, `mj_kinematics`):
a body's joints act in order, about axes and anchors fixed in the body.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.contact import Contacts, PlanarContacts, SpatialContacts
from learned_envs.kinematics.contact_pair import Pairs, ShapePairs, pair_base
from learned_envs.kinematics.links import Links, chosen, register_constants, transform
from learned_envs.kinematics.rotation import (
    left_product,
    quaternion_of,
    quaternion_product,
    rotation_vector,
)
from learned_envs.systems.spec import SystemSpec


class Poses(NamedTuple):
    """World poses; rotations turn local into world coordinates.

    Attributes:
        body_pos: (*batch, nbody, 3), metres.
        body_rot: (*batch, nbody, 3, 3).
        geom_pos: (*batch, ngeom, 3), metres.
        geom_rot: (*batch, ngeom, 3, 3).
    """

    body_pos: Tensor
    body_rot: Tensor
    geom_pos: Tensor
    geom_rot: Tensor


class Kinematics(nn.Module):
    """Geometry of one system: functions of q (and v) without parameters to learn.

    Its constants are buffers. A checkpoint does not store them: the spec rebuilds them.

    Attributes:
        contact_count: nc, the number of contact points.
        contact_base: (nc) which of the spec's free joints moves a contact point; -1 if none does.
        pair_count: np, the number of pairs of shapes.
        pair_base: (np) which of the free joints moves a pair's first shape, or else its second.
        horizontal: (n, 2) indices in v of the free joints' velocities along x and y.
    """

    contact_base: Tensor
    pair_base: Tensor
    horizontal: Tensor
    body_link: Tensor
    geom_body: Tensor
    geom_local: Tensor

    def __init__(self, spec: SystemSpec) -> None:
        super().__init__()
        self._links = Links(spec)
        geoms = [transform(geom.pos, geom.quat) for geom in spec.geoms]
        register_constants(
            self,
            body_link=torch.tensor(self._links.carrier),
            geom_body=torch.tensor([geom.body for geom in spec.geoms], dtype=torch.long),
            geom_local=torch.stack(geoms) if geoms else torch.zeros(0, 4, 4).double(),
        )
        spatial = SpatialContacts(spec, self._links)
        self.contact_count = len(spatial.point_link)
        planar = PlanarContacts.equal_to(spatial, spec) if self.contact_count else None
        self._contacts: PlanarContacts | SpatialContacts = planar or spatial
        self.pair_count = len(spec.pairs)
        self._pairs = ShapePairs(spec, spatial) if spec.pairs else None
        moved = self._pairs.links if self._pairs else torch.zeros(0, 2).long()
        register_constants(
            self,
            contact_base=self._links.free_base(spatial.point_link),
            horizontal=self._links.free_turn[:, :2] - 3,
            pair_base=pair_base(self._links, moved),
        )
        self.float()

    def forward(self, q: Tensor) -> Poses:
        """Return every pose at q (*batch, nq): MuJoCo's xpos, xmat, geom_xpos, geom_xmat."""
        bodies = self._links(q).index_select(-3, self.body_link)
        geoms = bodies.index_select(-3, self.geom_body) @ self.geom_local
        return Poses(bodies[..., :3, 3], bodies[..., :3, :3], geoms[..., :3, 3], geoms[..., :3, :3])

    def contacts(self, q: Tensor, v: Tensor) -> Contacts:
        """Return the contact points at q (*batch, nq) and v (*batch, nv).

        They do not depend on the spec's cyclic coordinates, to the last bit.
        """
        if not self.contact_count:
            none = q.new_zeros(*q.shape[:-1], 0, 3)
            return Contacts(none[..., 0], none[..., 0], none)
        contacts: Contacts = self._contacts(q, v)
        return contacts

    def pairs(self, q: Tensor, v: Tensor) -> Pairs:
        """Return how near the spec's pairs of shapes are at q (*batch, nq) and v (*batch, nv)."""
        if self._pairs is None:
            none = q.new_zeros(*q.shape[:-1], 0, 3)
            return Pairs(none[..., 0], none[..., 0], none, none)
        pairs: Pairs = self._pairs(q, v)
        return pairs

    def difference(self, origin: Tensor, target: Tensor) -> Tensor:
        """Return the displacement (*batch, nv) that leads from `origin` to `target`.

        It is `mj_differentiatePos` with dt = 1: a free joint's rotation is the rotation vector,
        of length at most pi, in the frame of `origin`'s body. MuJoCo's states are float64 and a
        model's float32: the difference is as fine as the finer.
        """
        if not self._links.free:
            return target - origin
        finer = torch.promote_types(origin.dtype, target.dtype)
        origin, target = origin.to(finer), target.to(finer)
        quat = self._links.free_quat
        start = chosen(origin, quat)
        inverse = torch.cat([start[..., :1], -start[..., 1:]], dim=-1)
        turn = rotation_vector(quaternion_product(inverse, chosen(target, quat))).flatten(-2)
        plain = (target - origin).index_select(-1, self._links.dof_coordinate)
        return torch.cat([plain, turn], -1).index_select(-1, self._links.turn_last)

    def rate(self, q: Tensor, v: Tensor) -> Tensor:
        """Return the rate of q, (*batch, nq), at a velocity v (*batch, nv)."""
        if not self._links.free:
            return v
        turn = chosen(v, self._links.free_turn).unsqueeze(-1)
        turned = (self._turns(q) @ turn).flatten(-3)
        plain = v.index_select(-1, self._links.coordinate_dof)
        return torch.cat([plain, turned], -1).index_select(-1, self._links.quat_last)

    def gradient(self, q: Tensor, by_q: Tensor) -> Tensor:
        """Return a function's gradient in the tangent space, (*batch, nv), from that by q."""
        if not self._links.free:
            return by_q
        quat = chosen(by_q, self._links.free_quat).unsqueeze(-1)
        turned = (self._turns(q).mT @ quat).flatten(-3)
        plain = by_q.index_select(-1, self._links.dof_coordinate)
        return torch.cat([plain, turned], -1).index_select(-1, self._links.turn_last)

    def _turns(self, q: Tensor) -> Tensor:
        """Return by what a turn changes each free joint's quaternion, (*batch, n, 4, 3)."""
        return 0.5 * left_product(chosen(q, self._links.free_quat))[..., 1:]

    def advance(self, q: Tensor, displacement: Tensor) -> Tensor:
        """Return q (*batch, nq) moved by `displacement` (*batch, nv), as `mj_integratePos`."""
        if not self._links.free:
            return q + displacement
        quat = self._links.free_quat
        turn = quaternion_of(chosen(displacement, self._links.free_turn))
        turned = functional.normalize(quaternion_product(chosen(q, quat), turn), dim=-1).flatten(-2)
        plain = q + displacement.index_select(-1, self._links.coordinate_dof)
        return torch.cat([plain, turned], -1).index_select(-1, self._links.quat_last)
