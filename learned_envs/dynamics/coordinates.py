"""What networks see of a position: the coordinates that motion depends on."""

from __future__ import annotations

from itertools import combinations

from torch import Tensor, nn, tensor

from learned_envs.dynamics.frame import Frames
from learned_envs.kinematics.links import chosen, ranges, register_constants
from learned_envs.systems.spec import SystemSpec


class Coordinates(nn.Module):
    """The coordinates of q that are seen, in two parts: those that travel and those that turn.

    Cyclic coordinates are left out, and unlimited angles enter by their sine and cosine. Of a free
    body is seen which way is up. Where it heads enters only if the motion may depend on it: if the
    body's place in the world is not cyclic. Bodies that are adrift and can meet are seen from one
    another: of each two, the second's place and orientation in the frame of the first.

    Attributes:
        related: whether there are such bodies.
    """

    travel: Tensor
    angles: Tensor
    axes: Tensor
    places: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, spec: SystemSpec, frames: Frames, headings: bool = False) -> None:
        """Sort the coordinates.

        Args:
            spec: the system.
            frames: of its free bodies.
            headings: whether the headings of free bodies are seen in any case.
        """
        super().__init__()
        travel = [i for i in range(spec.nq) if i not in spec.endless]
        free = [joint for joint in spec.joints if joint.kind == "free"]
        # Of the world's axes in a body's frame, z says what is up, and x and y say all else.
        shown = [(2,) if j.q in spec.endless and not headings else (0, 1) for j in free]
        axes = [3 * body + axis for body, some in enumerate(shown) for axis in some]
        pairs = list(combinations([b for b, j in enumerate(free) if j.q in spec.adrift], 2))
        self.related = bool(pairs)
        register_constants(
            self,
            travel=tensor(travel).long(),
            angles=tensor(spec.turning).long(),
            axes=tensor(axes).long(),
            places=ranges([j.q for j in free], 3),
            first=tensor([one for one, _ in pairs]).long(),
            second=tensor([other for _, other in pairs]).long(),
        )

    def travelled(self, q: Tensor) -> Tensor:
        """Return the coordinates that are seen as they are, (*batch, n), at q (*batch, nq)."""
        return q.index_select(-1, self.travel)

    def turned(self, q: Tensor, rotation: Tensor) -> list[Tensor]:
        """Return what is seen of angles and orientations, (*batch, n) each.

        Args:
            q: (*batch, nq).
            rotation: of the frames at q; see `Frames`.
        """
        parts = []
        if len(self.angles):
            angles = q.index_select(-1, self.angles)
            parts += [angles.sin(), angles.cos()]
        if len(self.axes):
            axes = rotation.flatten(-3, -2).index_select(-2, self.axes)
            parts.append(axes.flatten(-2))
        if self.related:
            own = rotation.index_select(-3, self.first)
            # Two axes of the second body say what the third is.
            turn = (own.mT @ rotation.index_select(-3, self.second))[..., :2]
            parts += [self.between(rotation, chosen(q, self.places)), turn.flatten(-3)]
        return parts

    def between(self, rotation: Tensor, vectors: Tensor) -> Tensor:
        """Return by what vectors of related bodies differ, (*batch, 3 n) for n pairs.

        Args:
            rotation: of the frames, (*batch, m, 3, 3).
            vectors: of the free bodies, (*batch, m, 3) along the world's axes.
        """
        apart = vectors.index_select(-2, self.second) - vectors.index_select(-2, self.first)
        return (apart.unsqueeze(-2) @ rotation.index_select(-3, self.first)).flatten(-3)
