"""The tree of links that a system's joints make."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.rotation import rotation_matrix
from learned_envs.systems.spec import Joint, SystemSpec
from learned_envs.systems.vector import Vector


class Links(nn.Module):
    """The kinematic tree with one link for each joint (and each body without one).

    A link's local transform is rest + cos(a) cosine + sin(a) sine + a travel, 4 x 4 each, with
    a = q - q0. Link 0 is the world.
    """

    q0: Tensor
    parts: Tensor
    coordinate: Tensor
    ancestors: Tensor
    free_last: Tensor
    free_pos: Tensor
    free_quat: Tensor
    free_turn: Tensor
    quat_last: Tensor
    turn_last: Tensor
    dof_coordinate: Tensor
    coordinate_dof: Tensor

    def __init__(self, spec: SystemSpec) -> None:
        super().__init__()
        fixed = torch.zeros(4, 4, 4).double()
        fixed[0] = torch.eye(4)
        parents, parts, coordinate = [0], [fixed], [0]
        self.carrier = [0]
        self.link_of: dict[int, int] = {}
        for index, body in enumerate(spec.bodies[1:], start=1):
            placed = transform(body.pos, body.quat)
            link = self.carrier[body.parent]
            joints: list[Joint | None] = [j for j in spec.joints if j.body == index]
            for joint in joints or [None]:
                parents.append(link)
                link = len(parts)
                parts.append(placed @ (fixed if joint is None else joint_parts(joint)))
                coordinate.append(0 if joint is None else joint.q)
                placed = fixed[0]
                if joint is not None:
                    self.link_of[joint.v] = link
            self.carrier.append(link)

        self.carries = torch.eye(len(parents)).double()
        for link, parent in enumerate(parents[1:], start=1):
            self.carries[link] += self.carries[parent]
        # Pointer doubling: log2(depth) products give all poses, instead of one for each level.
        ancestors, ancestor = [], torch.tensor(parents)
        while ancestor.any():
            ancestors.append(ancestor)
            ancestor = ancestor[ancestor]

        free = [joint for joint in spec.joints if joint.kind == "free"]
        self.free = bool(free)
        self.bases = [self.link_of[joint.v] for joint in free]
        dof_coordinate, coordinate_dof = [0] * spec.nv, [0] * spec.nq
        for joint in spec.joints:
            for offset in range(6 if joint.kind == "free" else 1):
                # A free joint's rotation has no one-to-one indices. What stands there only fills
                # the place, because `difference` and `advance` overwrite it.
                dof_coordinate[joint.v + offset] = joint.q + offset
                coordinate_dof[joint.q + offset] = joint.v + offset
        register_constants(
            self,
            q0=double(spec.q0),
            parts=torch.stack(parts, dim=1),
            coordinate=torch.tensor(coordinate),
            ancestors=torch.stack(ancestors) if ancestors else torch.zeros(0, 1).long(),
            free_last=replacing(len(parts), self.bases),
            free_pos=ranges([joint.q for joint in free], 3),
            free_quat=ranges([joint.q + 3 for joint in free], 4),
            free_turn=ranges([joint.v + 3 for joint in free], 3),
            quat_last=replacing(spec.nq, [j.q + 3 + i for j in free for i in range(4)]),
            turn_last=replacing(spec.nv, [j.v + 3 + i for j in free for i in range(3)]),
            dof_coordinate=torch.tensor(dof_coordinate),
            coordinate_dof=torch.tensor(coordinate_dof),
        )

    def free_base(self, links: Tensor) -> Tensor:
        """Return for each link (n) which free joint moves it, (n) long; -1 if none does."""
        base = torch.full(links.shape, -1)
        for index, link in enumerate(self.bases):
            base[self.carries[links, link] > 0] = index
        return base

    def forward(self, q: Tensor) -> Tensor:
        """Return the world transform of each link, (*batch, nlink, 4, 4)."""
        amount = (q - self.q0).index_select(-1, self.coordinate)[..., None, None]
        rest, cosine, sine, travel = self.parts.unbind()
        poses = torch.addcmul(rest, amount.cos(), cosine)
        poses = torch.addcmul(poses, amount.sin(), sine)
        poses = torch.addcmul(poses, amount, travel)
        if self.free:
            quat, pos = chosen(q, self.free_quat), chosen(q, self.free_pos)
            rotation = rotation_matrix(functional.normalize(quat, dim=-1))
            placed = torch.cat([rotation, pos.unsqueeze(-1)], dim=-1)
            bottom = rest[0, 3:].expand(*placed.shape[:-2], 1, 4)
            placed = torch.cat([placed, bottom], dim=-2)
            poses = torch.cat([poses, placed], dim=-3).index_select(-3, self.free_last)
        for ancestor in self.ancestors.unbind():
            poses = poses.index_select(-3, ancestor) @ poses
        return poses


def joint_parts(joint: Joint) -> Tensor:
    """Return rest, cosine, sine and travel of a joint's transform, (4, 4, 4); see `Links`.

    A hinge turns by Rodrigues' formula, R = 1 + sin(a) K + (1 - cos(a)) K^2.
    """
    parts = torch.zeros(4, 4, 4).double()
    parts[0] = torch.eye(4)
    axis = double(joint.axis)
    if joint.kind == "slide":
        parts[3, :3, 3] = axis
    elif joint.kind == "hinge":
        skew = torch.linalg.cross(axis.expand(3, 3), torch.eye(3).double()).T
        anchor = double(joint.pos)
        for part, turn in ((0, torch.eye(3) + skew @ skew), (1, -skew @ skew), (2, skew)):
            parts[part, :3, :3] = turn
            parts[part, :3, 3] = (anchor if part == 0 else 0.0) - turn @ anchor
    return parts


def transform(pos: Vector, quat: Vector) -> Tensor:
    """Return the 4 x 4 transform that turns by `quat` and then moves by `pos`."""
    transform = torch.eye(4).double()
    transform[:3, :3] = rotation_matrix(double(quat))
    transform[:3, 3] = double(pos)
    return transform


def chosen(values: Tensor, index: Tensor) -> Tensor:
    """Return values (*batch, size) at an index (n, m), (*batch, n, m)."""
    flat = values.index_select(-1, index.flatten())
    return flat.reshape(*values.shape[:-1], *index.shape)


def replacing(size: int, places: list[int]) -> Tensor:
    """Return the index by which rows that stand behind `size` others come to some places."""
    index = torch.arange(size)
    index[places] = size + torch.arange(len(places))
    return index


def ranges(starts: list[int], length: int) -> Tensor:
    """Return the indices (len(starts), length) that count up from each start."""
    return torch.tensor(starts).long()[:, None] + torch.arange(length)


def double(values: object) -> Tensor:
    """Return plain numbers as a float64 tensor."""
    return torch.tensor(values, dtype=torch.float64)


def register_constants(module: nn.Module, **tensors: Tensor) -> None:
    """Register buffers that a checkpoint does not store, because the spec rebuilds them."""
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor, persistent=False)
