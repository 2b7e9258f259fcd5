"""The few vertices of a mesh whose convex hull is nearest to that of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DIRECTIONS = 1000
"""In which hulls are compared, spread evenly: neighbours are 0.11 radians apart."""


def spread_vertices(vertices: npt.NDArray[Any], most: int) -> tuple[npt.NDArray[Any], float]:
    """Choose vertices one by one: the one that the hull of those before lacks most.

    Args:
        vertices: (n, 3), in metres.
        most: how many to choose, at most.

    Returns:
        Those that were chosen, (at most `most`, 3), and by how much the whole hull exceeds theirs,
        measured along `DIRECTIONS`.
    """
    directions = _sphere(DIRECTIONS)
    reach = directions @ vertices.T
    # Only what is farthest in some direction can be chosen.
    outer = np.unique(reach.argmax(1))
    reach, vertices = reach[:, outer], vertices[outer]
    whole = reach.max(1)
    chosen = [int(reach[0].argmax())]
    while True:
        lacking = whole - reach[:, chosen].max(1)
        worst = int(lacking.argmax())
        beyond = float(lacking[worst])
        if len(chosen) == most or beyond <= 1e-9 * np.abs(whole).max():
            return vertices[chosen], max(beyond, 0.0)
        chosen.append(int(reach[worst].argmax()))


def _sphere(count: int) -> npt.NDArray[Any]:
    """Return unit vectors (count, 3) along a golden spiral (Gonzalez 2010, Math. Geosci. 42)."""
    z = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (1 + 5**0.5) * np.arange(count)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)
