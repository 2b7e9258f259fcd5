"""Centres of mass, and what MuJoCo takes about them: cvel, cinert, cdof, momenta."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from learned_envs.errors import ParameterError
from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.placed import Fixture, Placed
from learned_envs.kinematics.table import Leaves, Table
from learned_envs.kinematics.tree import Tree
from learned_envs.systems.spec import SystemSpec

MakePlaced = Callable[[str, Iterable[int]], Placed]
"""Returns frames by their kind and index."""

SMALLEST = 1e-15
"""Below it MuJoCo takes a mass for none."""


def centers(spec: SystemSpec, tree: Tree, rows: Iterable[int]) -> Placed:
    """Return the inertial frames of bodies: MuJoCo's xipos and ximat."""
    fixtures = [
        Fixture(index, body.inertial_pos, body.inertial_quat)
        for index, body in enumerate(spec.bodies)
    ]
    return Placed(tree, fixtures, rows, ("body_ipos", "body_iquat"))


class Subtrees(Part):
    """Some bodies, each together with all that hangs on it."""

    member: Tensor
    weight: Tensor

    def __init__(
        self, spec: SystemSpec, tree: Tree, rows: Iterable[int], placed: MakePlaced
    ) -> None:
        """Collect the masses.

        Raises:
            ParameterError: if the spec has none, as in old checkpoints.
        """
        super().__init__()
        rows, masses = list(rows), masses_of(spec)
        below = torch.eye(len(masses)).double()
        for index, body in enumerate(spec.bodies[1:], start=1):
            below[:, index] += below[:, body.parent]
        every, member = below @ double(masses), below[rows]
        total = every[rows]
        # A subtree without mass is where its first body is.
        light = total < SMALLEST
        member[light] = torch.eye(len(masses)).double()[rows][light]
        drawn = tree.drawn.rows("body_mass", len(masses))
        counts = torch.tensor([mass > 0 or i in drawn for i, mass in enumerate(masses)])
        bodies = ((member > 0) & (counts | light[:, None])).any(0).nonzero()[:, 0].tolist()
        self._centers = placed("body", bodies)
        self._mass = Table(tree.drawn, "body_mass", [[mass] for mass in masses], bodies)
        self._total = Table(tree.drawn, "body_subtreemass", every[:, None].tolist(), rows)
        if light.any() and not (self._mass.constant and self._total.constant):
            tree.drawn.refuse("body_mass", "body_subtreemass")
        member = member[:, bodies]
        weight = torch.where(light[:, None], member, member * double(masses)[bodies])
        weight = weight / total.where(~light, 1.0)[:, None]
        register_constants(self, member=member, weight=weight)

    def weights(self, leaves: Leaves) -> Tensor:
        """Return the share of each body in each subtree, (n, bodies) or (*batch, n, bodies)."""
        if self._mass.constant and self._total.constant:
            return self.weight
        share: Tensor = self.member * self._mass(leaves).mT / self._total(leaves)
        return share

    @quantity
    def com(self, at: Instant) -> Tensor:
        """Return the centres of mass, (*batch, n, 3) metres."""
        return self.weights(at.leaves) @ self._centers.positions(at)

    @quantity
    def velocity(self, at: Instant) -> Tensor:
        """Return the velocities of the centres of mass, (*batch, n, 3)."""
        return self.weights(at.leaves) @ self._centers.velocities(at)[1]


class AngularMomentum(Part):
    """The angular momentum of a body and all that hangs on it, about their centre of mass."""

    inertia: Tensor
    mass: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        tree: Tree,
        body: int,
        placed: MakePlaced,
        subtrees: Callable[[Iterable[int]], Subtrees],
    ) -> None:
        super().__init__()
        tree.drawn.refuse("body_mass", "body_subtreemass", "body_inertia")
        masses, below = masses_of(spec), {body}
        for index, each in enumerate(spec.bodies[1:], start=1):
            below |= {index} if each.parent in below else set()
        bodies = sorted(index for index in below if masses[index] > 0) or [body]
        self._subtree = subtrees([body])
        self._centers = placed("body", bodies)
        register_constants(
            self,
            mass=double([[masses[index]] for index in bodies]),
            inertia=double([spec.bodies[index].inertia for index in bodies]),
        )

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the momenta, (*batch, 1, 3)."""
        angular, linear = self._centers.velocities(at)
        lever = self._centers.positions(at) - self._subtree.com(at)
        rotation = self._centers.rotations(at)
        local = (rotation.mT @ angular.unsqueeze(-1)).squeeze(-1) * self.inertia
        spin = (rotation @ local.unsqueeze(-1)).squeeze(-1)
        moving: Tensor = torch.linalg.cross(lever, linear - self._subtree.velocity(at)) * self.mass
        return (spin + moving).sum(-2, keepdim=True)


class AboutRoots(Part):
    """What MuJoCo takes about the centre of mass of the tree that a body belongs to."""

    link: Tensor
    roots: Tensor
    root: Tensor
    dof_root: Tensor
    order: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        tree: Tree,
        rows: Iterable[int],
        placed: MakePlaced,
        subtrees: Callable[[Iterable[int]], Subtrees],
    ) -> None:
        """Collect what is needed for some bodies, none of them the world."""
        super().__init__()
        rows = list(rows)
        mounts = [tree.mount(row) for row in rows]
        roots = sorted({tree.root_of(row) for row in rows})
        self._roots = subtrees([tree.roots[root] for root in roots])
        self._placed = placed("body", rows)
        bodies, masses = spec.bodies, masses_of(spec)
        self._mass = Table(tree.drawn, "body_mass", [[mass] for mass in masses], rows)
        self._inertia = Table(tree.drawn, "body_inertia", [b.inertia for b in bodies], rows)
        dofs = [index for index, dof in enumerate(tree.dofs) if dof.root in roots]
        dofs.sort(key=lambda index: tree.dofs[index].v)
        register_constants(
            self,
            link=torch.tensor([mount.link for mount in mounts]).long(),
            roots=torch.tensor(roots).long(),
            root=torch.tensor([roots.index(tree.root_of(row)) for row in rows]).long(),
            dof_root=torch.tensor([roots.index(tree.dofs[i].root) for i in dofs]).long(),
            order=torch.tensor(dofs).long(),
        )

    @quantity
    def offsets(self, at: Instant) -> Tensor:
        """Return the centres of mass of the trees as seen from their pivots, (*batch, n, 3)."""
        com: Tensor = self._roots.com(at)
        return com - at.pivots.index_select(-2, self.roots)

    @quantity
    def cvel(self, at: Instant) -> Tensor:
        """Return the velocities (angular, linear), (*batch, n, 6)."""
        offset = self.offsets(at).index_select(-2, self.root)
        return moved(at.twists.index_select(-2, self.link), offset)

    @quantity
    def cdof(self, at: Instant) -> Tensor:
        """Return how the degrees of freedom move their trees, in the order of v, (*batch, n, 6)."""
        offset = self.offsets(at).index_select(-2, self.dof_root)
        return moved(at.screws.index_select(-2, self.order), offset)

    @quantity
    def cinert(self, at: Instant) -> Tensor:
        """Return the inertias, (*batch, n, 10): xx, yy, zz, xy, xz, yz, mass times arm, mass."""
        center = self._roots.com(at).index_select(-2, self.root)
        arm = self._placed.positions(at) - center
        mass, inertia = self._mass(at.leaves), self._inertia(at.leaves)
        rotation = self._placed.rotations(at)
        about = (rotation * inertia.unsqueeze(-2)) @ rotation.mT
        x, y, z = arm.unbind(-1)
        m = mass[..., 0]
        numbers = [
            about[..., 0, 0] + m * (y * y + z * z),
            about[..., 1, 1] + m * (x * x + z * z),
            about[..., 2, 2] + m * (x * x + y * y),
            about[..., 0, 1] - m * x * y,
            about[..., 0, 2] - m * x * z,
            about[..., 1, 2] - m * y * z,
            *(m * x, m * y, m * z, m.expand(x.shape)),
        ]
        return torch.stack(numbers, -1)


def masses_of(spec: SystemSpec) -> list[float]:
    """Return the mass of each body.

    Raises:
        ParameterError: if the spec has none, as in old checkpoints.
    """
    masses = [body.mass for body in spec.bodies if body.mass is not None]
    if len(masses) < len(spec.bodies):
        raise ParameterError(
            f"The spec of {spec.reference_id} knows no masses, expected those of its MJCF. "
            "It was read by an older version: fit the model anew."
        )
    return masses


def moved(twist: Tensor, offset: Tensor) -> Tensor:
    """Return velocities (angular, linear) (*batch, 6) at points `offset` from theirs."""
    angular = twist[..., :3]
    return torch.cat([angular, twist[..., 3:] + torch.linalg.cross(angular, offset)], -1)
