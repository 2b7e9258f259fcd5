"""Quaternions (w, x, y, z), rotation vectors and matrices, batched and differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

# Squared half angles below this take a series, whose next term is below float64's resolution.
TINY = 1e-8


def rotation_matrix(quat: Tensor) -> Tensor:
    """Return the matrices (*batch, 3, 3) of unit quaternions (*batch, 4)."""
    w, x, y, z = quat.unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).reshape(*w.shape, 3, 3)


def quaternion_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the Hamilton product of quaternions (*batch, 4)."""
    a, u = left[..., :1], left[..., 1:]
    b, w = right[..., :1], right[..., 1:]
    real = a * b - (u * w).sum(-1, keepdim=True)
    return torch.cat([real, a * w + b * u + torch.linalg.cross(u, w)], dim=-1)


def rotation_vector(quat: Tensor) -> Tensor:
    """Return the rotation vectors (*batch, 3), at most pi long, of quaternions (*batch, 4)."""
    quat = torch.where(quat[..., :1] < 0, -quat, quat)
    real, imaginary = quat[..., :1], quat[..., 1:]
    square = imaginary.square().sum(-1, keepdim=True)
    # Both branches are differentiated, so the one not taken must stay finite, even at its zero.
    tiny = square < TINY
    length = square.where(~tiny, 1.0).sqrt()
    ratio = torch.where(tiny, 2 + square / 3, 2 * torch.atan2(length, real) / length)
    return imaginary * ratio


def quaternion_of(vector: Tensor) -> Tensor:
    """Return the unit quaternions (*batch, 4) of rotation vectors (*batch, 3)."""
    square = vector.square().sum(-1, keepdim=True)
    tiny = square < TINY
    half = square.where(~tiny, 1.0).sqrt() / 2
    real = torch.where(tiny, 1 - square / 8, half.cos())
    ratio = torch.where(tiny, 0.5 - square / 48, half.sin() / (2 * half))
    return torch.cat([real, vector * ratio], dim=-1)


def unit(vector: Tensor) -> Tensor:
    """Return vectors (*batch, n), which are not zero, at length one."""
    return vector / vector.square().sum(-1, keepdim=True).sqrt()


def left_product(quat: Tensor) -> Tensor:
    """Return the matrices (*batch, 4, 4) of the Hamilton product with quaternions from the left.

    Their first column is the quaternion itself.
    """
    w, x, y, z = quat.unbind(-1)
    rows = [w, -x, -y, -z, x, w, -z, y, y, z, w, -x, z, -y, x, w]
    return torch.stack(rows, -1).reshape(*w.shape, 4, 4)
