"""The frames of bodies that nothing joins to the world: each is seen from its own.

How a free body moves does not depend on where it heads. So networks see its velocity, and predict
its acceleration and its change of position, along its own axes: what they learn of one heading
holds for every other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from learned_envs.kinematics.links import chosen, ranges, register_constants, replacing
from learned_envs.kinematics.rotation import rotation_matrix
from learned_envs.systems.spec import SystemSpec


class Frames(nn.Module):
    """The frames of a system's free joints, and vectors of the size of v that enter and leave them.

    MuJoCo has the linear velocity of a free joint along the world's axes, and the angular one along
    the body's. So the linear one turns, and all else is as it was. Without free joints nothing
    turns, and vectors are handed on as they are.

    Attributes:
        count: n, the number of free joints, in the order of q.
        rotates: whether there is one.
    """

    quaternions: Tensor
    linear: Tensor
    linear_last: Tensor
    angular: Tensor
    angular_last: Tensor

    def __init__(self, spec: SystemSpec) -> None:
        super().__init__()
        free = [joint for joint in spec.joints if joint.kind == "free"]
        self.count = len(free)
        self.rotates = bool(free)
        register_constants(
            self,
            quaternions=ranges([joint.q + 3 for joint in free], 4),
            linear=ranges([joint.v for joint in free], 3),
            linear_last=replacing(spec.nv, [joint.v + i for joint in free for i in range(3)]),
            angular=ranges([joint.v + 3 for joint in free], 3),
            angular_last=replacing(spec.nv, [joint.v + i for joint in free for i in range(3, 6)]),
        )

    def forward(self, q: Tensor) -> Tensor:
        """Return the rotations at q (*batch, nq), (*batch, n, 3, 3), from own axes to the world's.

        Quaternions need not be of length one.
        """
        if not self.rotates:
            return q.new_empty(0)
        return rotation_matrix(functional.normalize(chosen(q, self.quaternions), dim=-1))

    def enter(self, rotation: Tensor, vector: Tensor) -> Tensor:
        """Return a velocity, its change or a displacement, (*batch, nv), along own axes."""
        return self._turned(vector, rotation)

    def own(self, q: Tensor, vector: Tensor) -> Tensor:
        """Return what was seen at q (*batch, nq), such as a change, along the own axes there."""
        return self.enter(self(q), vector)

    def leave(self, rotation: Tensor, vector: Tensor) -> Tensor:
        """Return what is along own axes, (*batch, nv), as MuJoCo has it."""
        return self._turned(vector, rotation.mT) if self.rotates else vector

    def overall(self, summed: Tensor, whole: Tensor) -> Tensor:
        """Return the displacement of several in a row, (*batch, nv): turns do not add up.

        Args:
            summed: their sum, which is exact along axes that do not turn.
            whole: from the first place to the last.
        """
        turned = chosen(whole, self.angular).flatten(-2)
        return torch.cat([summed, turned], -1).index_select(-1, self.angular_last)

    def turning(self, momentum: Tensor, v: Tensor) -> Tensor:
        """Return the rate of momenta, (*batch, nv), that is due to the turning of own axes alone.

        A free joint's angular momentum p along own axes changes by p x w if nothing acts on it:
        Euler's equation. Without free joints there are none.
        """
        spin = torch.linalg.cross(chosen(momentum, self.angular), chosen(v, self.angular))
        whole = torch.cat([torch.zeros_like(momentum), spin.flatten(-2)], -1)
        return whole.index_select(-1, self.angular_last)

    def places(self, base: Tensor) -> Tensor | None:
        """Return what `points` takes, of the free joints (m) that points hang on; -1 for none."""
        if self.count == 1 and not base.any():
            return None
        # What hangs on none takes the place behind the last, where nothing turns.
        return base % (self.count + 1)

    def points(self, rotation: Tensor, vectors: Tensor, places: Tensor | None) -> Tensor:
        """Return vectors of points along the own axes of the free joints that these hang on.

        Args:
            rotation: (*batch, n, 3, 3).
            vectors: (*batch, m, 3) along the world's axes.
            places: which joints these are, by `places`.
        """
        if not self.rotates:
            return vectors
        if places is None:
            return vectors @ rotation.squeeze(-3)
        still = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
        every = torch.cat([rotation, still.expand_as(rotation[..., :1, :, :])], -3)
        return (vectors.unsqueeze(-2) @ every.index_select(-3, places)).squeeze(-2)

    def _turned(self, vector: Tensor, rotation: Tensor) -> Tensor:
        """Return a vector whose linear parts are rows that a rotation is multiplied to."""
        if not self.rotates:
            return vector
        turned = (chosen(vector, self.linear).unsqueeze(-2) @ rotation).flatten(-3)
        return torch.cat([vector, turned], -1).index_select(-1, self.linear_last)
