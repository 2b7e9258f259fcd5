"""Vectors of three numbers and quaternions, as plain Python."""

from __future__ import annotations

from typing import Any

Vector = tuple[float, ...]


def vector_of(values: Any) -> Vector:
    """Return the numbers of an array or a tensor (n)."""
    return tuple(values.tolist())


def rotated(vector: Vector, quat: Vector) -> Vector:
    """Turn a vector by a unit quaternion (w, x, y, z).

    Examples:
        >>> rotated((1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))  # half a turn about z
        (-1.0, 0.0, 0.0)
    """
    w, axis = quat[0], quat[1:]
    # Rodrigues' formula for a quaternion: v + 2 w (a x v) + 2 a x (a x v).
    once = _cross(axis, vector)
    twice = _cross(axis, once)
    return tuple(v + 2.0 * (w * o + t) for v, o, t in zip(vector, once, twice, strict=True))


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a: Vector, b: Vector) -> float:
    """Return the inner product of two vectors."""
    return sum(x * y for x, y in zip(a, b, strict=True))
