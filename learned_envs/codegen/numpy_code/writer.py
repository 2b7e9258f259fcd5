"""Writes a traced graph as numpy code.

Three things make the code shorter than the graph. What depends on no input is computed beforehand.
Shapes lose their leading ones, so that most views are nothing. And an array that is scaled and
shifted by constants is written down only where something needs its numbers: a product with
constant weights takes the scale, or a layer normalisation, into the weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from learned_envs.codegen.graph import Graph, Node, Operation, Reader, Shape
from learned_envs.codegen.numpy_code.kernel import Array
from learned_envs.errors import UntraceableError


@dataclass(frozen=True)
class Value:
    """An array of the program: what is called `name`, then standardised, scaled and shifted.

    Attributes:
        name: in the code.
        shape: in the code.
        standardised: the epsilon of a layer normalisation over the last dimension, if any.
        scale, shift: constants that broadcast to `shape`; None for 1 and 0.
    """

    name: str
    shape: Shape
    standardised: float | None = None
    scale: Array | None = None
    shift: Array | None = None


Operand = Value | Tensor | float | int | bool
"""What an operation is applied to: an array of the program, or something known beforehand."""


class Writer(Reader):
    """The code of a graph, as far as it is written.

    Attributes:
        constants: the arrays that the code refers to, by name.
    """

    def __init__(self, graph: Graph, operations: Mapping[str, Operation]) -> None:
        """Prepare to write; see `Reader`."""
        super().__init__(graph, operations)
        self.constants: dict[str, Array] = {}
        self._lines: dict[str, str] = {}

    def write(self, function: str) -> str:
        """Return the code of a function of that name.

        Raises:
            UntraceableError: where there is no code for an operation.
        """
        self._read()
        inputs = [self._values[node].name for node in self._graph.inputs]
        outputs = ", ".join(self.whole(node).name for node in self._graph.outputs)
        needed = set(_names(outputs))
        body: list[str] = []
        for expression, name in reversed(self._lines.items()):
            if name in needed:
                needed.update(_names(expression))
                body.append(f"        {name} = {expression}")
        head = [f"def {function}({', '.join(inputs)}):", '    with np.errstate(all="ignore"):']
        lines = [*head, *reversed(body), f"        return [{outputs}]"]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}
        return "\n".join(lines) + "\n"

    def emit(self, expression: str, shape: Shape, wanted: Shape | None = None) -> Value:
        """Write an operation whose result has `shape`, and bring it to the `wanted` shape.

        What was written before is not written again.
        """
        if wanted is not None and shape != wanted and math.prod(shape) == math.prod(wanted):
            expression, shape = f"{expression}.reshape({wanted})", wanted
        return Value(self._lines.setdefault(expression, f"x{len(self._lines)}"), shape)

    def name(self, operand: Operand, shape: Shape | None = None) -> str:
        """Return what the code calls an operand, all that was put off written down.

        Constants are spread out to `shape`: numpy takes twice as long to broadcast them.
        """
        if not isinstance(operand, Value):
            array = array_of(operand)
            return self.constant(array if shape is None else np.broadcast_to(array, shape).copy())
        value = Value(operand.name, operand.shape)
        if operand.standardised is not None:
            value = self.emit(f"standardised({value.name}, {operand.standardised})", value.shape)
        if operand.scale is not None:
            scale = np.broadcast_to(operand.scale, value.shape).copy()
            value = self.emit(f"{value.name} * {self.constant(scale)}", value.shape)
        if operand.shift is not None:
            shift = np.broadcast_to(operand.shift, value.shape).copy()
            value = self.emit(f"{value.name} + {self.constant(shift)}", value.shape)
        return value.name

    def plain(self, operand: Operand) -> Value:
        """Return an operand as an array of the program, all that was put off written down."""
        return Value(self.name(operand), shape_of(operand))

    def shaped(self, value: Value, shape: Shape) -> Value:
        """Return the value in another shape, or as it is where numpy is to broadcast it later."""
        if value.shape == shape or math.prod(value.shape) != math.prod(shape):
            return value
        return self.emit(self.name(value), value.shape, shape)

    def unshifted(self, value: Value) -> Value:
        """Return the value with its shift written down, and its scale put off as it was."""
        if value.standardised is not None or value.scale is None or not value.scale.all():
            return self.plain(value)
        base = Value(value.name, value.shape)
        if value.shift is not None:
            base = self.plain(shifted(base, value.shift / value.scale))
        return scaled(base, value.scale)

    def whole(self, node: Node) -> Value:
        """Return a node's array at its full size: where it is expanded, numpy broadcasts later."""
        value = self.plain(self._resolve(node))
        shape = shape_of(node)
        if value.shape == shape:
            return value
        return self.emit(f"np.broadcast_to({value.name}, {shape})", shape)

    def constant(self, array: Array) -> str:
        """Return what the code calls a constant array; equal ones share a name."""
        for name, other in self.constants.items():
            same = other.dtype == array.dtype and other.shape == array.shape
            if same and np.array_equal(other, array):
                return name
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def _input(self, node: Node, place: int) -> Value:
        return Value(f"in{place}", shape_of(node))


def scaled(value: Value, factor: Array) -> Value:
    """Multiply by a constant that broadcasts to the value's shape."""
    scale = factor if value.scale is None else value.scale * factor
    shift = None if value.shift is None else value.shift * factor
    return replace(value, scale=None if (scale == 1).all() else scale, shift=shift)


def shifted(value: Value, offset: Array) -> Value:
    """Add a constant that broadcasts to the value's shape."""
    shift = offset if value.shift is None else value.shift + offset
    return replace(value, shift=shift if shift.any() else None)


def array_of(operand: Tensor | float | int | bool) -> Array:
    """Return a tensor or a number as the code has it: without leading dimensions of size one."""
    if not isinstance(operand, Tensor):
        operand = torch.tensor(operand, dtype=torch.float32 if isinstance(operand, float) else None)
    if operand.dtype is torch.bfloat16:
        raise UntraceableError("There is no numpy code for bfloat16.")
    array = operand.detach().numpy()
    return np.ascontiguousarray(array.reshape(without_ones(array.shape)))


def shape_of(operand: Operand | Node) -> Shape:
    """Return the shape that an operand, or the value of a node, has in the code."""
    if isinstance(operand, Value):
        return operand.shape
    return without_ones(operand.shape) if isinstance(operand, (Node, Tensor)) else (1,)


def without_ones(shape: Sequence[int]) -> Shape:
    """Return a shape without its leading ones, but with at least one dimension."""
    sizes = tuple(int(size) for size in shape)
    while len(sizes) > 1 and sizes[0] == 1:
        sizes = sizes[1:]
    return sizes or (1,)


def _names(code: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", code)
