"""Mass matrix, bias forces and energy of a system, from the masses in its `SystemSpec`.

It uses Featherstone's spatial vectors ("Rigid Body Dynamics Algorithms", 2008), all about the
world's origin: a motion is (angular, linear), a force is (moment, force).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.links import Links, double, register_constants, transform
from learned_envs.kinematics.screws import Screws
from learned_envs.systems.spec import SystemSpec


class Inertia(nn.Module):
    """Mass matrix, bias forces and energy: MuJoCo's `qM`, `qfrc_bias`, `energy`, in batches.

    Its constants are float64 buffers. A checkpoint does not store them: the spec rebuilds them.
    """

    body_link: Tensor
    mass: Tensor
    local: Tensor
    principal: Tensor
    moves: Tensor
    precedes: Tensor
    gravity: Tensor
    armature: Tensor
    stiffness: Tensor
    rest: Tensor
    sprung: Tensor
    acyclic: Tensor

    def __init__(self, spec: SystemSpec) -> None:
        """Collect the masses.

        Raises:
            ParameterError: if the spec has none, as in old checkpoints.
        """
        super().__init__()
        if any(body.mass is None for body in spec.bodies):
            raise ParameterError(
                f"The spec of {spec.reference_id} knows no masses, expected those of its MJCF. "
                "It was read by an older version: fit the model anew."
            )
        self._links = links = Links(spec)
        self._screws = Screws(spec, links)
        # The link that each degree of freedom moves: a free joint's six move one.
        mover = torch.tensor(
            [links.link_of[j.v] for j in spec.joints for _ in range(_dofs(j.kind))]
        )
        acyclic = torch.ones(spec.nq).double()
        acyclic[list(spec.cyclic)] = 0.0
        heavy = [body for body in spec.bodies if body.mass]
        carrier = torch.tensor([links.carrier[spec.bodies.index(body)] for body in heavy])
        springs = [joint for joint in spec.joints if joint.stiffness]
        register_constants(
            self,
            body_link=carrier,
            mass=double([body.mass for body in heavy]),
            local=torch.stack([transform(body.inertial_pos, body.inertial_quat) for body in heavy]),
            principal=double([body.inertia for body in heavy]),
            moves=links.carries[carrier][:, mover],
            precedes=links.carries[self._screws.frame][:, mover],
            gravity=double(spec.gravity),
            armature=torch.diag(
                double([j.armature for j in spec.joints for _ in range(_dofs(j.kind))])
            ),
            stiffness=double([joint.stiffness for joint in springs]),
            rest=double([joint.spring_rest for joint in springs]),
            sprung=torch.tensor([joint.q for joint in springs], dtype=torch.long),
            acyclic=acyclic,
        )

    def forward(self, q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mass matrix and the bias force: gravity's, centrifugal and Coriolis'.

        Args:
            q: (*batch, nq).
            v: (*batch, nv).

        Returns:
            (*batch, nv, nv) and (*batch, nv), such that mass times acceleration is force less bias.
        """
        links = self._links(q * self.acyclic)
        screws = torch.cat(self._screws(links), -1)
        inertia, _ = self._inertias(links)
        # What each body's velocity is by each degree of freedom, (*batch, nbody, nv, 6).
        by_dof = self.moves.unsqueeze(-1) * screws.unsqueeze(-3)
        mass = torch.einsum("...bid,...bde,...bje->...ij", by_dof, inertia, by_dof) + self.armature

        motion = screws * v.unsqueeze(-1)
        # A screw turns with the link that it is fixed to.
        turning = _cross(self.precedes @ motion, screws) * v.unsqueeze(-1)
        velocity, acceleration = self.moves @ motion, self.moves @ turning
        fall = torch.cat([torch.zeros_like(self.gravity), -self.gravity])
        momentum = (inertia @ velocity.unsqueeze(-1)).squeeze(-1)
        force = (inertia @ (acceleration + fall).unsqueeze(-1)).squeeze(-1)
        force = force + _cross_force(velocity, momentum)
        return mass, torch.einsum("...bid,...bd->...i", by_dof, force)

    def energy(self, q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return potential and kinetic energy, (*batch) each, in joules: MuJoCo's `energy`.

        Springs of joints count, contacts do not.
        """
        mass, _ = self(q, v)
        kinetic = 0.5 * (v.unsqueeze(-2) @ mass @ v.unsqueeze(-1)).squeeze((-2, -1))
        _, center = self._inertias(self._links(q))
        potential = -(self.mass * (center @ self.gravity)).sum(-1)
        stretch = q.index_select(-1, self.sprung) - self.rest
        return potential + 0.5 * (self.stiffness * stretch.square()).sum(-1), kinetic

    def _inertias(self, links: Tensor) -> tuple[Tensor, Tensor]:
        """Return spatial inertias (*batch, nbody, 6, 6) and centres of mass (*batch, nbody, 3)."""
        frames = links.index_select(-3, self.body_link) @ self.local
        rotation, center = frames[..., :3, :3], frames[..., :3, 3]
        about = (rotation * self.principal.unsqueeze(-2)) @ rotation.mT
        lever = _skew(center)
        mass = self.mass[:, None, None]
        top = torch.cat([about + mass * (lever @ lever.mT), mass * lever], -1)
        eye = torch.eye(3, dtype=links.dtype, device=links.device).expand_as(lever)
        bottom = torch.cat([mass * lever.mT, mass * eye], -1)
        return torch.cat([top, bottom], -2), center


def _dofs(kind: str) -> int:
    return 6 if kind == "free" else 1


def _skew(vector: Tensor) -> Tensor:
    """Return the matrices whose product with a vector is the cross product, (*batch, 3, 3)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).reshape(*vector.shape, 3)


def _cross(motion: Tensor, other: Tensor) -> Tensor:
    """Return the spatial cross product of motions: how `other` changes if it moves by `motion`."""
    turn, slide = motion[..., :3], motion[..., 3:]
    other_turn, other_slide = other[..., :3], other[..., 3:]
    cross = torch.linalg.cross
    return torch.cat(
        [cross(turn, other_turn), cross(turn, other_slide) + cross(slide, other_turn)], -1
    )


def _cross_force(motion: Tensor, force: Tensor) -> Tensor:
    """Return the spatial cross product of a motion and a force."""
    turn, slide = motion[..., :3], motion[..., 3:]
    moment, push = force[..., :3], force[..., 3:]
    cross = torch.linalg.cross
    return torch.cat([cross(turn, moment) + cross(slide, push), cross(turn, push)], -1)
