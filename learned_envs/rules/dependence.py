"""Which inputs each number of a graph depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from learned_envs.rules.constant import computed
from learned_envs.rules.graph import Graph, Node
from learned_envs.rules.operation import ELEMENTWISE, REDUCTIONS

MOVES = frozenset({"view", "expand", "permute", "take", "cat"})
"""Operations that move numbers and change none."""


def dependence(graph: Graph) -> dict[str, list[frozenset[str]]]:
    """Return the names of the inputs that each number of each output is computed from.

    Args:
        graph: any.

    Returns:
        Output -> one set for each of its numbers, the last dimension fastest.
    """
    names = [*graph.inputs]
    # The bits of a whole number are a set of inputs.
    sets: list[Any] = []
    for node in graph.nodes:
        if node.op == "input":
            bit = 1 << names.index(str(node.data))
            sets.append(np.full(node.shape, bit, object))
        else:
            sets.append(_joined(node, [sets[arg] for arg in node.args]))
    return {
        output: [
            frozenset(name for bit, name in enumerate(names) if number >> bit & 1)
            for number in np.ravel(sets[place])
        ]
        for output, place in graph.outputs.items()
    }


def _joined(node: Node, args: list[Any]) -> Any:
    if node.op == "constant":
        return np.full(node.shape, 0, object)
    if node.op in MOVES:
        return np.asarray(computed(node.op, args, node.data, node.shape), object)
    if node.op in REDUCTIONS:
        dims: Any = node.data
        return np.asarray(np.bitwise_or.reduce(args[0], axis=dims), object)
    if node.op == "matmul":
        rows = np.bitwise_or.reduce(args[0], axis=-1)[..., :, None]
        return np.asarray(rows | np.bitwise_or.reduce(args[1], axis=-2)[..., None, :], object)
    if node.op in ELEMENTWISE or node.op in ("where", "cast"):
        joined = np.full(node.shape, 0, object)
        for arg in args:
            joined = np.bitwise_or(joined, arg)
        return np.asarray(joined, object)
    raise AssertionError(node.op)
