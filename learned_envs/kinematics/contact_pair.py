"""Pairs of shapes that meet: how far they are apart, and how they move against each other."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Pairs(NamedTuple):
    """The pairs of shapes that a spec lists, in its order.

    Attributes:
        distance: (*batch, np) between the surfaces, metres; negative if they overlap.
        later: (*batch, np) the distance after one environment step of unchanged velocity.
        normal: (*batch, np, 3) the direction from the first to the second, world axes.
        velocity: (*batch, np, 3) of the second's material against the first's, where they are
            nearest to each other, world axes, m/s.
    """

    distance: Tensor
    later: Tensor
    normal: Tensor
    velocity: Tensor
