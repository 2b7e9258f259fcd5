"""What is known of a graph without its inputs, computed by numpy in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learned_envs.errors import RulesError
from learned_envs.rules.graph import Graph, Node, Number
from learned_envs.rules.operation import ELEMENTWISE, REDUCTIONS, Kind
from learned_envs.rules.shape import Shape


def constant(numbers: ArrayLike) -> Node:
    """Return the node of bools, of floats, or of integers, which become floats.

    Raises:
        RulesError: if they are no numbers.
    """
    array = np.asarray(numbers)
    if array.dtype.kind not in "biuf":
        raise RulesError(f"Got a constant of {array.dtype}, expected numbers.")
    logical = array.dtype.kind == "b"
    array = array.astype(np.bool_ if logical else np.float64)
    # Of no numbers, too, it is known whether they are bools.
    plain = tuple(map(_plain, array.ravel().tolist())) or (array.dtype.type(0).item(),)
    # As text, because 0.0 is not -0.0.
    same = len({repr(number) for number in plain}) == 1
    kind: Kind = "bool" if logical else "float"
    return Node("constant", (), array.shape, kind, plain[0] if same else plain)


def folded(graph: Graph) -> Graph:
    """Return a graph with a constant in the place of each node that depends on no input."""
    nodes = list[Node]()
    for node in graph.nodes:
        args = [nodes[arg] for arg in node.args]
        if args and all(arg.op == "constant" for arg in args):
            node = constant(computed(node.op, [x.array for x in args], node.data, node.shape))
        nodes.append(node)
    return Graph(tuple(nodes), graph.outputs, graph.absolute)


def computed(op: str, arrays: Sequence[NDArray[Any]], data: Any, shape: Shape) -> NDArray[Any]:
    """Return what an operation gives in numpy, for one sample."""
    with np.errstate(all="ignore"):
        return np.asarray(_computed(op, arrays, data, shape))


def _computed(op: str, arrays: Sequence[NDArray[Any]], data: Any, shape: Shape) -> Any:
    if op in ELEMENTWISE:
        return ELEMENTWISE[op].numpy(*arrays)
    x = arrays[0]
    if op in REDUCTIONS:
        return REDUCTIONS[op].numpy(x, axis=tuple(data))
    structural: dict[str, Callable[[], NDArray[Any]]] = {
        "where": lambda: np.where(*arrays),
        "cast": lambda: x.astype(np.float64),
        "view": lambda: x.reshape(shape),
        "expand": lambda: np.broadcast_to(x, shape),
        "permute": lambda: np.transpose(x, [dim + x.ndim for dim in data]),
        "take": lambda: np.take(x, np.array(data[1], int), axis=data[0]),
        "cat": lambda: np.concatenate(arrays, axis=data),
        "matmul": lambda: np.matmul(x, arrays[1]),
    }
    return structural[op]()


def _plain(number: float) -> Number:
    return number if math.isfinite(number) else str(number)
