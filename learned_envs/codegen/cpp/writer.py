"""Writes a traced graph as C++ code that computes it for many rows of a batch side by side.

The graph is of a batch of one. What is a number there is a vector in the code, with that number of
each row of a tile; see kernel.h. For one row alone it is a number in the code as well. An operation
that only moves numbers is no code at all: it is applied, as the code is written, to the indices of
where the numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.codegen.cpp.memory import placed
from learned_envs.codegen.cpp.part import Code, in_parts
from learned_envs.codegen.graph import Graph, Node, Operation, Reader, Shape
from learned_envs.errors import UntraceableError

INPUTS = {torch.float32: "float", torch.int64: "int64_t", torch.bool: "bool"}
OUTPUTS = {torch.float32: "float", torch.bool: "bool"}


@dataclass(frozen=True)
class Value:
    """Numbers that the code computes.

    Attributes:
        shape: in the graph.
        logical: whether they are true or false: vectors with all bits set, or none.
        name: of the array that they are in, "" for none yet.
        index: int64 of that shape, where each is in the array.
        code: where they are in no array, the expression of the one that is number `i`.
    """

    shape: Shape
    logical: bool = False
    name: str = ""
    index: Tensor | None = None
    code: str = ""


Operand = Value | Tensor | float | int | bool
"""What an operation is applied to: numbers that are computed, or known beforehand."""


@dataclass(frozen=True)
class Form:
    """How code computes rows.

    Attributes:
        alone: whether one row by itself, or many side by side.
        block: how many columns of float32 weights lie together in memory.
        abreast: of one row: how many such blocks a product takes at a time.
        tiles: whether there are tile registers for products in bfloat16.
    """

    alone: bool
    block: int
    abreast: int = 1
    tiles: bool = False


class Writer(Reader):
    """The code of a graph, as far as it is written.

    Attributes:
        form: how the code computes rows.
    """

    def __init__(self, graph: Graph, operations: Mapping[str, Operation], form: Form) -> None:
        """Prepare to write; see the class and `Reader`."""
        super().__init__(graph, operations)
        self.form, self._uses = form, graph.uses()
        self._lines: list[str] = []
        self._sizes: dict[str, int] = {}
        self._tables: dict[str, str] = {}
        self._constants: dict[str, list[NDArray[Any]]] = {"c": [], "h": []}

    def write(self, outputs: Sequence[Node]) -> Code:
        """Return the code of a function that stores these nodes of the graph.

        Raises:
            UntraceableError: where there is no code for an operation or a type.
        """
        self._read()
        for place, node in enumerate(outputs):
            self._store(node, place)
        offsets, scratch = placed(
            self._lines, self._sizes, self.form.block if self.form.alone else 1
        )
        tables = {name: text for text, name in self._tables.items()}
        return in_parts(self._lines, offsets, tables, scratch)

    def constants(self, name: str) -> NDArray[Any]:
        """Return the numbers that the code finds at "c" (float32) or "h" (bfloat16, as int16)."""
        kind = np.float32 if name == "c" else np.int16
        return np.concatenate([np.zeros(0, kind), *self._constants[name]])

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Return the address of constants."""
        before = self._constants[name]
        before.append(array.ravel())
        return f"{name} + {sum(map(len, before[:-1]))}"

    def new(self, size: int) -> str:
        """Return the name of a new array of vectors."""
        name = f"x{len(self._sizes)}"
        self._sizes[name] = size
        return name

    def line(self, text: str) -> None:
        """Write a statement."""
        self._lines.append(text)

    def loop(self, size: int, text: str) -> None:
        """Write a statement that is repeated for each `i` below a size."""
        if size:
            self.line(f"for (int i = 0; i < {size}; ++i) {text}" if size > 1 else _once(text))

    def stored(self, operand: Operand) -> Value:
        """Return an operand with its numbers in an array."""
        if isinstance(operand, Value) and operand.index is not None:
            return operand
        shape, logical = shape_of(operand), is_logical(operand)
        x = self.new(math.prod(shape))
        self.loop(math.prod(shape), f"{x}[i] = {self.term(operand, shape, logical)};")
        return Value(shape, logical, x, torch.arange(math.prod(shape)).reshape(shape))

    def address(self, operand: Operand) -> str:
        """Return the address of an operand's numbers, one behind the other."""
        value = self.stored(operand)
        flat = index_of(value).flatten()
        if not torch.equal(flat, flat[:1] + torch.arange(len(flat))):
            term = self.term(value, value.shape, value.logical)
            value = self.stored(Value(value.shape, value.logical, code=term))
            flat = index_of(value).flatten()
        return f"{value.name} + {int(flat[0]) if len(flat) else 0}"

    def term(self, operand: Operand, shape: Shape, logical: bool = False) -> str:
        """Return the expression of number `i` of an operand that is spread out to a shape.

        Args:
            operand: what to express.
            shape: what its own broadcasts to.
            logical: whether it is to be true or false, or a number.
        """
        if logical and not is_logical(operand):
            raise UntraceableError("There is no C++ code for the bits of numbers.")
        if not isinstance(operand, Value):
            return self._constant_term(operand, shape, logical)
        if operand.index is None and operand.shape == shape:
            term = operand.code
        else:
            operand = self.stored(operand)
            place = self.place(torch.broadcast_to(index_of(operand), shape))
            term = f"{operand.name}[{place}]"
        return f"({term} & V(1.0f))" if operand.logical and not logical else term

    def place(self, index: Tensor) -> str:
        """Return the expression of the i-th of some indices."""
        flat = index.flatten()
        start = int(flat[0]) if len(flat) else 0
        step = int(flat[1]) - start if len(flat) > 1 else 0
        if torch.equal(flat, start + step * torch.arange(len(flat))):
            return f"{start}" if step == 0 else f"{start} + {step} * i"
        return f"{self.table(flat)}[i]"

    def table(self, numbers: Tensor) -> str:
        """Return the name of a table of whole numbers."""
        text = ", ".join(map(str, numbers.flatten().tolist()))
        return self._tables.setdefault(text, f"t{len(self._tables)}")

    def _constant_term(self, operand: Tensor | float, shape: Shape, logical: bool) -> str:
        if not isinstance(operand, Tensor) and not logical:
            # Not in the code, so that it is the same for every value.
            return f"V(*({self.constant('c', np.array([operand], np.float32))}))"
        numbers = torch.as_tensor(operand).to(torch.float32)
        array = numbers.broadcast_to(shape).numpy().ravel()
        if logical:
            array = np.where(array != 0, np.uint32(2**32 - 1), np.uint32(0)).view(np.float32)
        return f"V(*({self.constant('c', array)} + i))"

    def _input(self, node: Node, place: int) -> Value:
        if node.dtype not in INPUTS:
            raise UntraceableError(f"There is no C++ code for {node.dtype}.")
        x = self.new(node.size)
        if self._uses[node] > (node in self._graph.outputs):
            kind = INPUTS[node.dtype]
            self.line(f"load({x}, static_cast<const {kind}*>(in[{place}]), {node.size}, tile);")
        value = Value(node.shape, False, x, torch.arange(node.size).reshape(node.shape))
        if node.dtype is torch.bool:
            return Value(node.shape, True, code=f"({self.term(value, node.shape)} != V(0.0f))")
        return value

    def _store(self, node: Node, place: int) -> None:
        if node.dtype not in OUTPUTS:
            raise UntraceableError(f"There is no C++ code for {node.dtype}.")
        x = self.address(self._resolve(node))
        target = f"static_cast<{OUTPUTS[node.dtype]}*>(out[{place}])"
        self.line(f"store({x}, {target}, {node.size}, tile);")

    def _apply(self, node: Node) -> Any:
        result = super()._apply(node)
        # What one operation needs once is part of its loop.
        return result if self._uses[node] == 1 else self.stored(result)


def shape_of(operand: Operand) -> Shape:
    """Return the shape that an operand has in the graph."""
    return tuple(operand.shape) if isinstance(operand, (Value, Tensor)) else ()


def index_of(value: Value) -> Tensor:
    """Return the index of numbers that are in an array."""
    assert value.index is not None
    return value.index


def is_logical(operand: Operand) -> bool:
    """Return whether an operand is true or false, and not a number."""
    return (
        operand.logical
        if isinstance(operand, Value)
        else torch.as_tensor(operand).dtype is torch.bool
    )


def _once(text: str) -> str:
    return f"{{ constexpr int i = 0; {text} }}"
