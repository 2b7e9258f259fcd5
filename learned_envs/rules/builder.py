"""Making graphs: one node for all that compute the same, and none for what is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learned_envs.errors import RulesError
from learned_envs.rules import simplify
from learned_envs.rules.constant import computed, constant
from learned_envs.rules.graph import Data, Graph, Node
from learned_envs.rules.operation import ELEMENTWISE, REDUCTIONS, Kind
from learned_envs.rules.shape import Shape, inferred

Operand = int | float | NDArray[Any]
"""A node's index; or a constant, which is a float or an array, and never an int."""


class GraphBuilder:
    """Makes the nodes of a graph, and gives their indices.

    Operands need not have as many dimensions: as in numpy, those with fewer get sizes of 1 before.
    Bools among numbers become 0 and 1, and numbers that are asked whether they hold, whether they
    are not 0. What depends on constants alone is computed at once, by numpy in float64.
    """

    def __init__(self) -> None:
        """Begin a graph."""
        self.nodes: list[Node] = []
        self._made: dict[Any, int] = {}
        self._inputs: dict[str, int] = {}

    def __getitem__(self, index: int) -> Node:
        """Return a node."""
        return self.nodes[index]

    def input(self, name: str, shape: Sequence[int]) -> int:
        """Return the input of a name.

        Raises:
            RulesError: if it has another shape elsewhere.
        """
        shape = tuple(shape)
        if name in self._inputs and (known := self[self._inputs[name]].shape) != shape:
            raise RulesError(
                f"Got the input {name!r} of shape {shape}, expected {known} as before."
            )
        return self._inputs.setdefault(name, self.make("input", shape=shape, data=name))

    def constant(self, numbers: ArrayLike) -> int:
        """Return a constant: bools, or floats of any kind, or integers, which become floats."""
        node = constant(numbers)
        return self.make("constant", shape=node.shape, data=node.data)

    def add(self, op: str, *operands: Operand, data: Data = None, shape: Any = None) -> int:
        """Return the node of an operation, or a simpler one of the same value.

        Raises:
            RulesError: if the operation cannot be applied to these.
        """
        args = [self._index(x) for x in operands]
        if op in ELEMENTWISE:
            args = self._aligned([self.cast(x, ELEMENTWISE[op].takes) for x in args])
        elif op in REDUCTIONS:
            args = [self.cast(x, REDUCTIONS[op].takes) for x in args]
        elif op == "where" and len(args) == 3:
            args = self._aligned([self.cast(args[0], "bool"), *self._of_one_kind(args[1:])])
        elif op == "cat":
            args = self._of_one_kind(args)
        kind = inferred(op, [self[x] for x in args], data, shape)[0]
        if args and all(self[x].op == "constant" for x in args):
            return self.constant(computed(op, [self[x].array for x in args], data, kind))
        if args and math.prod(kind) == 0:
            return self.constant(np.zeros(kind))
        simpler = simplify.simpler(self, op, args, data, kind)
        return self.make(op, *args, data=data, shape=kind) if simpler is None else simpler

    def make(self, op: str, *args: int, data: Data = None, shape: Shape | None = None) -> int:
        """Return the node of an operation as it is."""
        found, kind = inferred(op, [self[x] for x in args], data, shape)
        # As text, because 0.0 is neither -0.0 nor False.
        key = op, args, found, kind, repr(data)
        if key not in self._made:
            self._made[key] = len(self.nodes)
            self.nodes.append(Node(op, args, found, kind, data))
        return self._made[key]

    def cast(self, x: Operand, kind: Kind) -> int:
        """Return x as numbers, or whether it is not 0."""
        x = self._index(x)
        if self[x].kind == kind:
            return x
        return self.add("cast", x) if kind == "float" else self.add("ne", x, 0.0)

    def view(self, x: Operand, shape: Sequence[int]) -> int:
        """Return x in another shape."""
        return self.add("view", x, shape=tuple(shape))

    def expand(self, x: Operand, shape: Sequence[int]) -> int:
        """Return x repeated to a shape, as numpy broadcasts it."""
        x = self._index(x)
        if self[x].shape == tuple(shape):
            return x
        missing = len(shape) - len(self[x].shape)
        return self.add("expand", self.view(x, (1,) * missing + self[x].shape), shape=tuple(shape))

    def permute(self, x: Operand, dims: Sequence[int]) -> int:
        """Return x with its dimensions in another order."""
        x = self._index(x)
        return self.add("permute", x, data=tuple(self._from_end(x, dim) for dim in dims))

    def take(self, x: Operand, dim: int, indices: Sequence[int]) -> int:
        """Return what x has at indices along a dimension; negative ones count from the end."""
        x = self._index(x)
        dim, size = self._from_end(x, dim), self[x].shape[dim]
        places = tuple(int(index) + (size if index < 0 else 0) for index in indices)
        return self.add("take", x, data=(dim, places))

    def cat(self, parts: Sequence[Operand], dim: int = 0) -> int:
        """Return parts one behind the other along a dimension."""
        places = [self._index(part) for part in parts]
        return self.add("cat", *places, data=self._from_end(places[0], dim))

    def stack(self, parts: Sequence[Operand], dim: int = 0) -> int:
        """Return parts of one shape along a new dimension."""
        places = [self._index(part) for part in parts]
        shape = list(self[places[0]].shape)
        shape.insert(dim if dim >= 0 else dim + len(shape) + 1, 1)
        return self.cat([self.view(place, shape) for place in places], dim)

    def reduce(
        self, op: str, x: Operand, dims: int | Sequence[int] | None = None, keepdims: bool = False
    ) -> int:
        """Return a reduction over dimensions, or over all of them."""
        x = self._index(x)
        shape = self[x].shape
        dims = range(len(shape)) if dims is None else (dims,) if isinstance(dims, int) else dims
        every = tuple(sorted(self._from_end(x, dim) for dim in dims))
        result = self.add(op, x, data=every)
        if not keepdims:
            return result
        ones = {len(shape) + dim for dim in every}
        return self.view(result, [1 if d in ones else size for d, size in enumerate(shape)])

    def matmul(self, x: Operand, y: Operand) -> int:
        """Return what numpy's `x @ y` is: vectors are rows on the left and columns on the right."""
        x, y = self._index(x), self._index(y)
        left, right = self[x].shape, self[y].shape
        if not left or not right:
            raise RulesError(f"Got matmul of {left} and {right}, expected at least one dimension.")
        rows = self.view(x, (1, *left)) if len(left) == 1 else x
        columns = self.view(y, (*right, 1)) if len(right) == 1 else y
        batch = np.broadcast_shapes(self[rows].shape[:-2], self[columns].shape[:-2])
        rows = self.expand(rows, (*batch, *self[rows].shape[-2:]))
        columns = self.expand(columns, (*batch, *self[columns].shape[-2:]))
        product = self.add("matmul", rows, columns)
        kept = [*left[-2:-1], *(right[-1:] if len(right) > 1 else ())]
        return self.view(product, (*batch, *kept))

    def where(self, mask: Operand, yes: Operand, no: Operand) -> int:
        """Return `yes` where the mask holds, and `no` elsewhere."""
        return self.add("where", mask, yes, no)

    def graph(self, outputs: Mapping[str, int]) -> Graph:
        """Return the graph of the outputs, without what none of them needs."""
        needed = set(outputs.values())
        for place in reversed(range(len(self.nodes))):
            if place in needed:
                needed.update(self[place].args)
        order = {old: new for new, old in enumerate(sorted(needed))}
        nodes = (
            Node(node.op, tuple(order[arg] for arg in node.args), node.shape, node.kind, node.data)
            for node in (self[old] for old in order)
        )
        return Graph(tuple(nodes), {name: order[place] for name, place in outputs.items()})

    def _index(self, operand: Operand) -> int:
        if isinstance(operand, int) and not isinstance(operand, bool):
            return operand
        return self.constant(operand)

    def _from_end(self, x: int, dim: int) -> int:
        return dim if dim < 0 else dim - len(self[x].shape)

    def _of_one_kind(self, args: Sequence[int]) -> list[int]:
        if len({self[x].kind for x in args}) == 1:
            return list(args)
        return [self.cast(x, "float") for x in args]

    def _aligned(self, args: list[int]) -> list[int]:
        """Give all as many dimensions, and those that are one constant number none."""
        dims = max(len(self[x].shape) for x in args)
        padded = [(1,) * (dims - len(self[x].shape)) + self[x].shape for x in args]
        try:
            result = np.broadcast_shapes(*padded)
        except ValueError:
            shapes = ", ".join(str(self[x].shape) for x in args)
            raise RulesError(f"Got arrays of {shapes}, which do not fit one another.") from None
        aligned, alone = list[int](), list[int]()
        for place, x in enumerate(args):
            others = [shape for other, shape in enumerate(padded) if other not in (place, *alone)]
            bare = self[x].op == "constant" and not isinstance(self[x].data, tuple)
            if bare and others and np.broadcast_shapes(*others) == result:
                alone.append(place)
                aligned.append(self.make("constant", shape=(), data=self[x].data))
            else:
                aligned.append(self.view(x, padded[place]))
        return aligned
