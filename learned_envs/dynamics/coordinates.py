"""What networks see of a position: the coordinates that motion depends on."""

from __future__ import annotations

from torch import Tensor, nn, tensor

from learned_envs.dynamics.frame import Frames
from learned_envs.systems.spec import SystemSpec


class Coordinates(nn.Module):
    """The coordinates of q that are seen, in two parts: those that travel and those that turn.

    Cyclic coordinates are left out, and unlimited angles enter by their sine and cosine. Of a free
    body is seen which way is up. Where it heads enters only if the motion may depend on it: if the
    body's place in the world is not cyclic.
    """

    travel: Tensor
    angles: Tensor
    axes: Tensor

    def __init__(self, spec: SystemSpec, frames: Frames, headings: bool = False) -> None:
        """Sort the coordinates.

        Args:
            spec: the system.
            frames: of its free bodies.
            headings: whether the headings of free bodies are seen in any case.
        """
        super().__init__()
        angles, turned = list(spec.turning), frames.quaternions.flatten().tolist()
        hidden = {*spec.cyclic, *angles, *turned}
        travel = [i for i in range(spec.nq) if i not in hidden]
        free = [joint for joint in spec.joints if joint.kind == "free"]
        # Of the world's axes in a body's frame, z says what is up, and x and y say all else.
        shown = [(2,) if j.q in spec.cyclic and not headings else (0, 1) for j in free]
        axes = [3 * body + axis for body, some in enumerate(shown) for axis in some]
        for name, indices in (("travel", travel), ("angles", angles), ("axes", axes)):
            self.register_buffer(name, tensor(indices).long(), persistent=False)

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
        return parts
