"""The part of a system's kinematic tree that some quantities need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from learned_envs.kinematics.links import double, joint_parts, register_constants
from learned_envs.kinematics.mount import WORLD, Mount, fixed_to, stacked
from learned_envs.kinematics.pose import DrawnPose, FreePose, MocapPose, pose_matrix
from learned_envs.kinematics.rotation import left_product, rotation_matrix
from learned_envs.kinematics.table import DrawnConstants, Leaves
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import Joint, SystemSpec
from learned_envs.systems.vector import Vector


class Dof(NamedTuple):
    """One degree of freedom.

    Attributes:
        link: that it moves.
        frame: the link in whose frame its axis and its anchor are.
        axis: unit axis.
        anchor: a point on the axis, metres.
        turns: whether it is a rotation.
        v: its index in v.
        root: place of its tree among the roots.
    """

    link: int
    frame: int
    axis: Vector
    anchor: Vector
    turns: bool
    v: int
    root: int


class _Link(NamedTuple):
    """A link: where it is with all joints at their references, and what moves it."""

    parent: Mount
    moved_by: Joint | FreePose | MocapPose | DrawnPose | None = None


class Tree(nn.Module):
    """The links that some bodies hang on, one for each joint and for each pose given from outside.

    Bodies are asked for by `mount`, then `finish` lays out the constants. Link 0 is the world.

    Attributes:
        drawn: which constants are leaves of the state.
        dofs: degrees of freedom that move a link.
        roots: the bodies next to the world that were asked for.
        link_of: the link that a joint moves, by the joint's index in v.
    """

    q0: Tensor
    parts: Tensor
    turns: Tensor
    coordinate: Tensor
    order: Tensor
    ancestors: Tensor
    carries: Tensor
    placed: Tensor
    placed_turn: Tensor
    onto_v: Tensor
    dof_v: Tensor
    dof_frame: Tensor
    dof_axis: Tensor
    dof_anchor: Tensor
    dof_turns: Tensor
    dof_root: Tensor
    root_link: Tensor
    root_local: Tensor

    def __init__(self, spec: SystemSpec, equipment: Equipment, leaves: Iterable[str] = ()) -> None:
        """Begin with the world alone.

        Args:
            spec: the system.
            equipment: says which bodies are moved from outside.
            leaves: names of the state's leaves, which may give poses and constants.
        """
        super().__init__()
        self._spec, self._equipment, self._leaves = spec, equipment, {*leaves}
        self.drawn = DrawnConstants(self._leaves)
        placed = (self.drawn.rows(name, len(spec.bodies)) for name in ("body_pos", "body_quat"))
        self._placed: set[int] = set().union(*placed)
        self._links = [_Link(Mount(WORLD))]
        self._mounts = {WORLD: Mount(WORLD)}
        self.dofs: list[Dof] = []
        self.roots: list[int] = []
        self.link_of: dict[int, int] = {}

    def mount(self, body: int) -> Mount:
        """Return how a body hangs on the tree, which grows by what is needed.

        Raises:
            ParameterError: if resets draw a constant of its joints.
        """
        if body not in self._mounts:
            parent = self.mount(self._spec.bodies[body].parent)
            self._mounts[body] = self._grow(body, parent)
        return self._mounts[body]

    def root_of(self, body: int) -> int:
        """Return the place in `roots` of the body next to the world that a body hangs on."""
        while self._spec.bodies[body].parent != WORLD:
            body = self._spec.bodies[body].parent
        if body not in self.roots:
            self.roots.append(body)
        return self.roots.index(body)

    def _grow(self, body: int, parent: Mount) -> Mount:
        bodies = self._spec.bodies
        described, root = bodies[body], self.root_of(body)
        if body in self._equipment.mocap and {"mocap_pos", "mocap_quat"} & self._leaves:
            pose = MocapPose(described, self._equipment.mocap.index(body))
            mount = self._add(_Link(Mount(WORLD), pose))
        elif body in self._placed:
            mount = self._add(_Link(parent, DrawnPose(bodies, body, self.drawn)))
        else:
            mount = fixed_to(parent, described.pos, described.quat)
        for joint in self._spec.joints:
            if joint.body != body:
                continue
            self.drawn.refuse("qpos0", "jnt_axis", "jnt_pos")
            free = joint.kind == "free"
            link = _Link(Mount(WORLD), FreePose(joint)) if free else _Link(mount, joint)
            mount = self._add(link)
            self.link_of[joint.v] = mount.link
            self.dofs += _dofs(joint, mount.link, root)
        return mount

    def _add(self, link: _Link) -> Mount:
        self._links.append(link)
        return Mount(len(self._links) - 1)

    def finish(self) -> None:
        """Lay out the constants of all links that were asked for."""
        # A root's own position is where velocities are taken, so that they are exact far away.
        roots = [self.mount(body) for body in self.roots]
        movers = [link.moved_by for link in self._links]
        posed = [i for i, mover in enumerate(movers) if isinstance(mover, nn.Module)]
        jointed = [i for i in range(len(movers)) if i not in posed]
        self._poses = nn.ModuleList([mover for mover in movers if isinstance(mover, nn.Module)])
        joints = [mover if isinstance(mover, Joint) else None for mover in movers]
        order = torch.empty(len(movers)).long()
        order[[*jointed, *posed]] = torch.arange(len(movers))

        self._slides = any(joint is not None and joint.kind == "slide" for joint in joints)

        parents = [link.parent.link for link in self._links]
        carries = torch.eye(len(parents)).double()
        for link, parent in enumerate(parents[1:], start=1):
            carries[link] += carries[parent]
        # Pointer doubling: log2(depth) products give all poses, instead of one for each level.
        ancestors, ancestor = [], torch.tensor(parents)
        while ancestor.any():
            ancestors.append(ancestor)
            ancestor = ancestor[ancestor]
        placed = [self._links[i].parent for i in posed]
        parts = [self._links[i].parent.local @ _parts(joints[i]) for i in jointed]
        turns = [self._links[i].parent.turn @ _turn_parts(joints[i]) for i in jointed]
        register_constants(
            self,
            q0=double(self._spec.q0),
            parts=torch.stack(parts, dim=1),
            turns=torch.stack(turns, dim=1),
            placed=stacked([mount.local for mount in placed]),
            placed_turn=stacked([mount.turn for mount in placed]),
            coordinate=torch.tensor([joint.q if (joint := joints[i]) else 0 for i in jointed]),
            order=order,
            ancestors=torch.stack(ancestors) if ancestors else torch.zeros(0, 1).long(),
            # Which degrees of freedom move which link, (nlink, ndof).
            carries=carries[:, [dof.link for dof in self.dofs]],
            onto_v=_one_hot([dof.v for dof in self.dofs], self._spec.nv),
            dof_v=torch.tensor([dof.v for dof in self.dofs]).long(),
            dof_frame=torch.tensor([dof.frame for dof in self.dofs]).long(),
            dof_axis=double([dof.axis for dof in self.dofs]).reshape(-1, 3, 1),
            dof_anchor=double([(*dof.anchor, 1.0) for dof in self.dofs]).reshape(-1, 4, 1),
            dof_turns=double([float(dof.turns) for dof in self.dofs]).reshape(-1, 1),
            dof_root=torch.tensor([dof.root for dof in self.dofs]).long(),
            root_link=torch.tensor([mount.link for mount in roots]).long(),
            root_local=stacked([mount.local for mount in roots])[:, :, 3:],
        )

    def frames(self, q: Tensor, leaves: Leaves) -> Tensor:
        """Return the world transforms of the links, (*batch, nlink, 4, 4)."""
        poses = [pose(q, leaves) for pose in self._poses]
        matrices = [pose_matrix(rotation_matrix(quat), pos) for pos, quat in poses]
        return self._chained(q, self.parts, 1.0, self.placed, matrices)

    def quaternions(self, q: Tensor, leaves: Leaves) -> Tensor:
        """Return the links' quaternions as matrices (*batch, nlink, 4, 4); see `left_product`."""
        matrices = [left_product(pose(q, leaves)[1]) for pose in self._poses]
        return self._chained(q, self.turns, 0.5, self.placed_turn, matrices)

    def _chained(
        self, q: Tensor, parts: Tensor, frequency: float, placed: Tensor, posed: list[Tensor]
    ) -> Tensor:
        """Return the products of the links' own matrices along the tree."""
        amount = (q - self.q0).index_select(-1, self.coordinate)[..., None, None]
        rest, cosine, sine, travel = parts.unbind()
        angle = amount if frequency == 1 else amount * frequency
        own = rest + angle.cos() * cosine + angle.sin() * sine
        if self._slides:
            own = own + amount * travel
        if posed:
            own = torch.cat([own, placed @ torch.stack(posed, -3)], -3)
            own = own.index_select(-3, self.order)
        for ancestor in self.ancestors.unbind():
            own = own.index_select(-3, ancestor) @ own
        return own

    def pivots(self, frames: Tensor) -> Tensor:
        """Return the points (*batch, nroot, 3) at which velocities of trees are taken."""
        return (frames.index_select(-3, self.root_link)[..., :3, :] @ self.root_local).squeeze(-1)

    def screws(self, frames: Tensor, pivots: Tensor) -> Tensor:
        """Return how each degree of freedom moves its tree's pivot: (angular, linear).

        Args:
            frames: of the links.
            pivots: (*batch, nroot, 3).

        Returns:
            (*batch, ndof, 6).
        """
        frames = frames.index_select(-3, self.dof_frame)
        axis = (frames[..., :3, :3] @ self.dof_axis).squeeze(-1)
        anchor = (frames[..., :3, :] @ self.dof_anchor).squeeze(-1)
        lever = pivots.index_select(-2, self.dof_root) - anchor
        linear = torch.linalg.cross(axis, lever) * self.dof_turns + axis * (1 - self.dof_turns)
        return torch.cat([axis * self.dof_turns, linear], -1)


def _dofs(joint: Joint, link: int, root: int) -> list[Dof]:
    """List a joint's degrees of freedom; free ones move in the world's axes, turn in the body's."""
    if joint.kind != "free":
        return [Dof(link, link, joint.axis, joint.pos, joint.kind == "hinge", joint.v, root)]
    here: Vector = (0.0, 0.0, 0.0)
    axes: tuple[Vector, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return [
        Dof(link, WORLD, axis, here, False, joint.v + i, root) for i, axis in enumerate(axes)
    ] + [Dof(link, link, axis, here, True, joint.v + 3 + i, root) for i, axis in enumerate(axes)]


def _parts(joint: Joint | None) -> Tensor:
    """Return the parts of a joint's transform; see `joint_parts`."""
    return _still() if joint is None else joint_parts(joint)


def _turn_parts(joint: Joint | None) -> Tensor:
    """Return the parts (4, 4, 4) of a joint's quaternion as a matrix, as of half its angle."""
    parts = _still()
    if joint is not None and joint.kind == "hinge":
        parts[0], parts[1] = 0.0, torch.eye(4)
        parts[2] = left_product(double((0.0, *joint.axis)))
    return parts


def _still() -> Tensor:
    parts = torch.zeros(4, 4, 4).double()
    parts[0] = torch.eye(4)
    return parts


def _one_hot(places: list[int], count: int) -> Tensor:
    """Return a matrix (n, count) with a one at the place of each row."""
    matrix = torch.zeros(len(places), count).double()
    matrix[range(len(places)), places] = 1.0
    return matrix
