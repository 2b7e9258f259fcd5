"""What stands for SciPy's `Rotation` while an environment is traced."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from learned_envs.rules.tracing import quaternion as quat
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.traced import traced
from learned_envs.rules.tracing.tracer import Tracer

TO_W_FIRST, TO_W_LAST = [3, 0, 1, 2], [1, 2, 3, 0]


def rotation_substitutes(tracer: Tracer) -> dict[int, Any]:
    """Return what stands for SciPy's class, by its id; nothing where SciPy is not in use."""
    module = sys.modules.get("scipy.spatial.transform")
    if module is None:
        return {}
    real = module.Rotation

    class Rotation(_Rotation):
        pass

    def either(name: str) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            if not (traced(args) or traced(options)):
                return getattr(real, name)(*args, **options)
            return getattr(_Rotation, name)(tracer, *args, **options)

        return make

    for name in ("from_quat", "from_matrix", "from_euler", "from_rotvec"):
        setattr(Rotation, name, staticmethod(either(name)))
    Rotation.identity = staticmethod(real.identity)  # type: ignore[attr-defined]
    return {id(real): Rotation}


class _Rotation:
    """A rotation by a traced quaternion, w first and of length 1: (..., 4)."""

    def __init__(self, tracer: Tracer, q: Any) -> None:
        self._tracer, self._q = tracer, q

    @classmethod
    def from_quat(cls, tracer: Tracer, q: Any, scalar_first: bool = False, **_: Any) -> _Rotation:
        q = tracer.lift(q)
        return cls(tracer, quat.unit(q if scalar_first else q[..., TO_W_FIRST]))

    @classmethod
    def from_matrix(cls, tracer: Tracer, matrix: Any, **_: Any) -> _Rotation:
        return cls(tracer, quat.of_matrix(tracer.lift(matrix)))

    @classmethod
    def from_rotvec(cls, tracer: Tracer, rotvec: Any, degrees: bool = False) -> _Rotation:
        scale = np.pi / 180 if degrees else 1.0
        return cls(tracer, quat.of_vector(tracer.lift(rotvec) * scale))

    @classmethod
    def from_euler(cls, tracer: Tracer, seq: str, angles: Any, degrees: bool = False) -> _Rotation:
        angles = tracer.lift(angles) * (np.pi / 180 if degrees else 1.0)
        if len(seq) == 1 and (not angles.ndim or angles.shape[-1] != 1):
            angles = np.expand_dims(angles, -1)
        turned: Any = None
        for place, axis in enumerate(seq.lower()):
            one = quat.of_axis(axis, angles[..., place])
            before = (turned, one) if seq.isupper() else (one, turned)
            turned = one if turned is None else quat.product(*before)
        return cls(tracer, turned)

    def as_quat(self, canonical: bool = False, scalar_first: bool = False) -> Any:
        q = np.where(self._q[..., :1] < 0, -self._q, self._q) if canonical else self._q
        return q if scalar_first else q[..., TO_W_LAST]

    def as_matrix(self) -> Any:
        return quat.matrix(self._q)

    def as_rotvec(self, degrees: bool = False) -> Any:
        return quat.vector(self._q) * (180 / np.pi if degrees else 1.0)

    def as_euler(self, seq: str, degrees: bool = False, **_: Any) -> Any:
        axes = ["xyz".index(axis) for axis in seq.lower()]
        if sorted(axes) != [0, 1, 2]:
            raise refusal(f"Rotation.as_euler({seq!r})", "use three different axes")
        # Angles about fixed axes are those about moving ones, in the opposite order.
        i, j, k = axes if seq.isupper() else axes[::-1]
        m, sign = self.as_matrix(), 1.0 if (j - i) % 3 == 1 else -1.0
        angles = [
            np.arctan2(-sign * m[..., j, k], m[..., k, k]),
            np.arcsin(np.clip(sign * m[..., i, k], -1.0, 1.0)),
            np.arctan2(-sign * m[..., i, j], m[..., i, i]),
        ]
        ordered = angles if seq.isupper() else angles[::-1]
        return np.stack(ordered, axis=-1) * (180 / np.pi if degrees else 1.0)

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        q = quat.conjugate(self._q) if inverse else self._q
        return quat.rotated(self._tracer.lift(vectors), q)

    def inv(self) -> _Rotation:
        return _Rotation(self._tracer, quat.conjugate(self._q))

    def magnitude(self) -> Any:
        return 2 * np.arctan2(np.linalg.norm(self._q[..., 1:], axis=-1), np.abs(self._q[..., 0]))

    def __mul__(self, other: Any) -> _Rotation:
        return _Rotation(self._tracer, quat.product(self._q, self._of(other)))

    def __rmul__(self, other: Any) -> _Rotation:
        return _Rotation(self._tracer, quat.product(self._of(other), self._q))

    def _of(self, other: Any) -> Any:
        if isinstance(other, _Rotation):
            return other._q
        return self._tracer.lift(np.asarray(other.as_quat())[..., TO_W_FIRST])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refusal(f"Rotation.{name}", "use as_matrix, as_quat, as_euler, as_rotvec or apply")
