"""The memory that traced arrays look into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer

Array = np.ndarray[Any, Any]

LARGEST = 10_000
"""Numbers of an array of the environment's that may stand in a graph."""


class Storage:
    """Some memory.

    Attributes:
        tracer: who writes down.
        node: of the numbers in the graph, in the shape of `example`.
        example: the numbers of one real step.
        locked: why nothing may be written; "" if it may.
        largest: that a whole number may be, from 0 on, where that is known.
        settled: the name, if the graph's input is what a step leaves here at its end: what is
            written is known already, unless what was there before was read.
    """

    def __init__(self, tracer: Tracer, node: int, example: Array, locked: str = "") -> None:
        self.tracer, self.node, self.example, self.locked = tracer, node, example, locked
        self.largest: int | None = None
        self.written, self.read, self.settled = False, False, ""

    @property
    def ids(self) -> Array:
        """The place of each number in memory, in the shape of the array."""
        return np.arange(self.example.size).reshape(self.example.shape)
