"""Rotations, as MuJoCo's and SciPy's functions compute them, in numpy's functions alone.

Quaternions are (w, x, y, z) as MuJoCo has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def product(p: Any, q: Any) -> Any:
    """Return the rotation q, and then p: (..., 4)."""
    a, b, c, d = (p[..., k] for k in range(4))
    w, x, y, z = (q[..., k] for k in range(4))
    return np.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        axis=-1,
    )


def conjugate(q: Any) -> Any:
    """Return the opposite rotation: (..., 4)."""
    return q * np.array([1.0, -1.0, -1.0, -1.0])


def matrix(q: Any) -> Any:
    """Return the rotation matrices of unit quaternions: (..., 3, 3)."""
    w, x, y, z = (q[..., k] for k in range(4))
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def of_matrix(m: Any) -> Any:
    """Return unit quaternions of rotation matrices, by their largest number: (..., 4)."""
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    diagonal = [m[..., k, k] for k in range(3)]
    sizes = [1 + trace, *(1 + 2 * each - trace for each in diagonal)]
    skew = [m[..., (k + 2) % 3, (k + 1) % 3] - m[..., (k + 1) % 3, (k + 2) % 3] for k in range(3)]
    both = {(i, j): m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2))}
    candidates = [
        [sizes[0], *skew],
        [skew[0], sizes[1], both[0, 1], both[0, 2]],
        [skew[1], both[0, 1], sizes[2], both[1, 2]],
        [skew[2], both[0, 2], both[1, 2], sizes[3]],
    ]
    best = np.stack(candidates[0], axis=-1)
    most = sizes[0]
    for size, candidate in zip(sizes[1:], candidates[1:], strict=True):
        larger = size > most
        best = np.where(np.expand_dims(larger, -1), np.stack(candidate, axis=-1), best)
        most = np.maximum(size, most)
    return unit(best)


def unit(q: Any) -> Any:
    """Return quaternions or vectors of length 1."""
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def of_vector(vector: Any) -> Any:
    """Return the rotation by as many radians as a vector is long, about it: (..., 4)."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    small = angle < 1e-8
    factor = np.where(small, 0.5, np.sin(angle / 2) / np.where(small, 1.0, angle))
    return np.concatenate([np.cos(angle / 2), vector * factor], axis=-1)


def vector(q: Any) -> Any:
    """Return the axis of a rotation, as long as its angle from 0 to pi: (..., 3)."""
    w = np.where(q[..., :1] < 0, -q[..., :1], q[..., :1])
    axis = np.where(q[..., :1] < 0, -q[..., 1:], q[..., 1:])
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    small = sine < 1e-8
    angle = 2 * np.arctan2(sine, w)
    return axis * np.where(small, 2.0, angle / np.where(small, 1.0, sine))


def rotated(v: Any, q: Any) -> Any:
    """Return vectors turned by unit quaternions: (..., 3)."""
    return np.sum(matrix(q) * np.expand_dims(v, -2), axis=-1)


def of_axis(axis: str, angle: Any) -> Any:
    """Return the rotation by an angle about x, y or z: (..., 4)."""
    half = angle / 2
    zero = 0.0 * half
    parts = [np.cos(half), zero, zero, zero]
    parts[1 + "xyz".index(axis)] = np.sin(half)
    return np.stack(parts, axis=-1)
