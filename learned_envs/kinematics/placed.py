"""Frames that are fixed to bodies: of bodies themselves, of shapes, of sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import register_constants
from learned_envs.kinematics.mount import fixed_to, stacked
from learned_envs.kinematics.pose import pose_matrix
from learned_envs.kinematics.rotation import left_product, rotation_matrix
from learned_envs.kinematics.table import Leaves, Table
from learned_envs.kinematics.tree import Tree
from learned_envs.systems.vector import Vector


class Fixture(NamedTuple):
    """A frame fixed to a body: the body's index, position and quaternion in its frame."""

    body: int
    pos: Vector = (0.0, 0.0, 0.0)
    quat: Vector = (1.0, 0.0, 0.0, 0.0)


class Placed(Part):
    """Where some frames are that are fixed to bodies.

    Attributes:
        link: the link that each is fixed to, (n).
        root: the place of its tree among the roots, (n).
    """

    link: Tensor
    root: Tensor
    local: Tensor
    turn: Tensor

    def __init__(
        self,
        tree: Tree,
        fixtures: Sequence[Fixture | None],
        rows: Iterable[int],
        arrays: tuple[str, str] | None = None,
    ) -> None:
        """Fix frames to a tree.

        Args:
            tree: that they hang on.
            fixtures: all of their kind, by index.
            rows: those that are asked for.
            arrays: MuJoCo's names of their positions and quaternions, which leaves may give.
        """
        super().__init__()
        rows = list(rows)
        chosen = [fixture for fixture in (fixtures[row] for row in rows) if fixture]
        mounts = [tree.mount(fixture.body) for fixture in chosen]
        self._tables: nn.ModuleList | None = None
        if arrays and {*rows} & set().union(
            *(tree.drawn.rows(array, len(fixtures)) for array in arrays)
        ):
            blank = Fixture(0)
            pos = [(fixture or blank).pos for fixture in fixtures]
            quat = [(fixture or blank).quat for fixture in fixtures]
            self._tables = nn.ModuleList(
                Table(tree.drawn, array, values, rows)
                for array, values in zip(arrays, (pos, quat), strict=True)
            )
        else:
            mounts = [fixed_to(m, f.pos, f.quat) for m, f in zip(mounts, chosen, strict=True)]
        register_constants(
            self,
            link=torch.tensor([mount.link for mount in mounts]).long(),
            root=torch.tensor([tree.root_of(fixture.body) for fixture in chosen]).long(),
            local=stacked([mount.local for mount in mounts]),
            turn=stacked([mount.turn for mount in mounts]),
        )
        eye = torch.eye(4).double()
        self._moved = bool(self._tables) or bool((self.local[:, :3, 3] != 0).any())
        self._turned = bool(self._tables) or bool((self.local[:, :3, :3] != eye[:3, :3]).any())
        self._quat_turned = bool(self._tables) or bool((self.turn != eye).any())

    @quantity
    def positions(self, at: Instant) -> Tensor:
        """Return the origins, (*batch, n, 3) metres."""
        frames = at.frames.index_select(-3, self.link)
        if not self._moved:
            return frames[..., :3, 3]
        local = self._local(at.leaves)
        return (frames[..., :3, :] @ local[..., :, 3:]).squeeze(-1)

    @quantity
    def rotations(self, at: Instant) -> Tensor:
        """Return the matrices that turn local into world coordinates, (*batch, n, 3, 3)."""
        rotation = at.frames.index_select(-3, self.link)[..., :3, :3]
        return rotation @ self._local(at.leaves)[..., :3, :3] if self._turned else rotation

    @quantity
    def matrices(self, at: Instant) -> Tensor:
        """Return the rotations as MuJoCo does, (*batch, n, 9)."""
        rotation: Tensor = self.rotations(at)
        return rotation.reshape(*rotation.shape[:-2], 9)

    @quantity
    def quaternions(self, at: Instant) -> Tensor:
        """Return the quaternions, with MuJoCo's signs, (*batch, n, 4)."""
        turn = at.quaternions.index_select(-3, self.link)
        if not self._quat_turned:
            return turn[..., 0]
        local = self.turn
        if self._tables:
            local = local @ left_product(self._tables[1](at.leaves))
        return (turn @ local[..., :1]).squeeze(-1)

    @quantity
    def velocities(self, at: Instant) -> tuple[Tensor, Tensor]:
        """Return angular and linear velocities, world axes, (*batch, n, 3) each."""
        twist = at.twists.index_select(-2, self.link)
        angular, linear = twist[..., :3], twist[..., 3:]
        return angular, linear + torch.linalg.cross(angular, self.levers(at))

    @quantity
    def levers(self, at: Instant) -> Tensor:
        """Return the origins as seen from the pivots of their trees, (*batch, n, 3)."""
        position: Tensor = self.positions(at)
        return position - at.pivots.index_select(-2, self.root)

    def _local(self, leaves: Leaves) -> Tensor:
        """Return the transforms in the links' frames, (n, 4, 4) or (*batch, n, 4, 4)."""
        if not self._tables:
            return self.local
        pos, quat = self._tables[0](leaves), self._tables[1](leaves)
        rotation = rotation_matrix(quat)
        batch = np.broadcast_shapes(pos.shape[:-1], rotation.shape[:-2])
        rotation, pos = rotation.expand(*batch, 3, 3), pos.expand(*batch, 3)
        return self.local @ pose_matrix(rotation, pos)
