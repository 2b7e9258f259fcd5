"""Which values of a graph change when the whole world is shifted.

A displacement does not: it can be computed in a world that was shifted to its origin, where
float32 has its digits. A position does. It is decided by shifting, in float64: what came out as it
was before did not depend on where the world lies.

A value can look alike by chance, because it is out of reach of the shift: `x > 1000` does, and
`min(x, 1)`. So only what is linear, or a wave, may be as it was although its operands are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor

from learned_envs.rules.evaluator import Evaluator
from learned_envs.rules.graph import Graph, Node

TOLERANCE = 1e-6
"""What a solver's iterations leave between two worlds; a shift changes numbers by 1 or more."""

CANCELS = frozenset(
    {
        *("add", "sub", "mul", "div", "neg", "sum", "matmul", "sin", "cos", "tan"),
        *("view", "expand", "permute", "take", "cat"),
    }
)
"""Operations that may give the same for operands that are not."""

COMPARES = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
"""Operations that depend on the difference of two operands."""


def with_origin(graph: Graph, inputs: Mapping[str, Any], shifted: Mapping[str, Any]) -> Graph:
    """Return a graph that says which of its nodes change when the world is shifted.

    Args:
        graph: any.
        inputs: name -> (n, *shape), some samples of what may happen.
        shifted: the same, each in a world that was shifted by some amount of its own, between 1
            and 100 or so.
    """
    every = Evaluator(Graph(graph.nodes, {str(place): place for place in range(len(graph.nodes))}))
    here, there = (_float64(each, every.inputs) for each in (inputs, shifted))
    before, after = every(here), every(there)
    stays = [_same(before[str(place)], after[str(place)]) for place in range(len(graph.nodes))]
    absolute, hidden = set[int](), set[int]()
    for place, node in enumerate(graph.nodes):
        moving = absolute.intersection(node.args)
        if not moving:
            relative = stays[place]
        elif hidden.intersection(moving):
            relative = False
        elif node.op in COMPARES:
            x, y = (before[str(arg)] for arg in node.args)
            x_, y_ = (after[str(arg)] for arg in node.args)
            relative = _same(x - y, x_ - y_)
        else:
            relative = node.op in CANCELS and stays[place]
        if not relative:
            absolute.add(place)
            if stays[place] or hidden.intersection(moving) or _hides(node):
                hidden.add(place)
    return msgspec.structs.replace(graph, absolute=tuple(sorted(absolute)))


def _hides(node: Node) -> bool:
    """Return whether a value may look alike and be another for another shift."""
    return node.op not in CANCELS and node.op != "input"


def _float64(inputs: Mapping[str, Any], names: frozenset[str]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(inputs[name], dtype=torch.float64) for name in names}


def _same(x: Tensor, y: Tensor) -> bool:
    return torch.allclose(x.double(), y.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
