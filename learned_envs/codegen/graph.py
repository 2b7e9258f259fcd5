"""Graphs of what a function computes from its inputs: how they are made, and how they are read."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]

Operation = Callable[..., Any]
"""(reader, node, *arguments) -> the node's value."""


@dataclass(frozen=True, eq=False)
class Node:
    """One value.

    Attributes:
        operation: "input", "constant", or one of those in `operations.py`.
        arguments: nodes, numbers, and tuples of them; of a constant, the tensor.
        shape: of the value.
        dtype: of the value.
    """

    operation: str
    arguments: tuple[Any, ...]
    shape: Shape
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def sources(self) -> Iterator[Node]:
        """The nodes among the arguments, as often as they are there."""
        return (x for x in flat(self.arguments) if isinstance(x, Node))


@dataclass(frozen=True)
class Graph:
    """What a function computes.

    Attributes:
        inputs: all of them, in order.
        nodes: what is computed on the way to the outputs, each after what it needs.
        outputs: of the function.
    """

    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def uses(self) -> Counter[Node]:
        """Count how often each node is an argument; being an output counts as once."""
        arguments = (source for node in self.nodes for source in node.sources)
        return Counter([*arguments, *set(self.outputs)])


class Builder:
    """Makes the nodes of a graph: one for all that compute the same."""

    def __init__(self) -> None:
        """Begin a graph."""
        self._made: dict[Any, Node] = {}
        self._constants: dict[int, tuple[Tensor, Node]] = {}

    def node(
        self, operation: str, shape: Sequence[int], dtype: torch.dtype, *arguments: Any
    ) -> Node:
        """Return a node; see `Node`. Arguments may be tensors, which are constants, and lists."""
        node = Node(operation, self._argument(arguments), tuple(shape), dtype)
        return self._made.setdefault((operation, node.shape, dtype, _key(node.arguments)), node)

    def constants_changed(self) -> None:
        """Take no constant for what it was: one was written to in place."""
        self._constants.clear()

    def graph(self, outputs: Sequence[Any]) -> Graph:
        """Return the graph of the outputs, without what none of them needs."""
        results: tuple[Node, ...] = self._argument(outputs)
        every, needed = list(self._made.values()), set(results)
        for node in reversed(every):
            if node in needed:
                needed.update(node.sources)
        inputs = tuple(node for node in every if node.operation == "input")
        nodes = tuple(node for node in every if node in needed and node not in inputs)
        return Graph(inputs, nodes, results)

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, (list, tuple)):
            return tuple(map(self._argument, argument))
        if not isinstance(argument, Tensor):
            return argument
        if id(argument) not in self._constants:
            copy = argument.clone()
            node = Node("constant", (copy,), tuple(copy.shape), copy.dtype)
            # With the tensor itself, whose id no other has meanwhile.
            self._constants[id(argument)] = argument, node
        return self._constants[id(argument)][1]


class Reader(ABC):
    """Goes through a graph and gives each node a value; that of a constant is its tensor."""

    def __init__(self, graph: Graph, operations: Mapping[str, Operation]) -> None:
        """Prepare to read.

        Args:
            graph: what to read.
            operations: what makes the value of a node, for each of those in `operations.py`.
        """
        self._graph, self._operations = graph, operations
        self._values: dict[Node, Any] = {}

    @abstractmethod
    def _input(self, node: Node, place: int) -> Any:
        """Return the value of an input, of which it is that one."""

    def _read(self) -> None:
        for place, node in enumerate(self._graph.inputs):
            self._values[node] = self._input(node, place)
        for node in self._graph.nodes:
            self._values[node] = self._apply(node)

    def _apply(self, node: Node) -> Any:
        return self._operations[node.operation](self, node, *map(self._resolve, node.arguments))

    def _resolve(self, argument: Any) -> Any:
        if isinstance(argument, Node):
            known = argument.operation == "constant"
            return argument.arguments[0] if known else self._values[argument]
        if isinstance(argument, tuple):
            return [self._resolve(entry) for entry in argument]
        return argument


def flat(arguments: Any) -> Iterator[Any]:
    """Go through arguments and those within lists of them."""
    for argument in arguments:
        if isinstance(argument, (list, tuple)):
            yield from flat(argument)
        else:
            yield argument


def _key(argument: Any) -> Any:
    """Return what is equal for equal arguments alone: 0.0 is neither 0 nor -0.0."""
    if isinstance(argument, tuple):
        return tuple(map(_key, argument))
    return argument if isinstance(argument, Node) else repr(argument)
