"""The C++ code of all operations that code is written of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from learned_envs.codegen.cpp.product import matmul
from learned_envs.codegen.cpp.writer import Operand, Value, Writer, index_of, shape_of
from learned_envs.codegen.graph import Node, Operation
from learned_envs.codegen.operations import ELEMENTWISE, REDUCTIONS
from learned_envs.errors import UntraceableError

FEW = 8
"""As many numbers are reduced in one expression: places and directions have three."""


def elementwise(writer: Writer, node: Node, *operands: Operand) -> Value:
    """Write what the list has, with the operands in place."""
    code = ELEMENTWISE[node.operation]
    terms = [writer.term(operand, node.shape, code.logical) for operand in operands]
    return Value(node.shape, node.dtype is torch.bool, code=code.cpp.format(*terms))


def where(writer: Writer, node: Node, mask: Operand, yes: Operand, no: Operand) -> Value:
    """Write a choice."""
    logical = node.dtype is torch.bool
    choice = writer.term(mask, node.shape, True)
    first, second = (writer.term(each, node.shape, logical) for each in (yes, no))
    return Value(node.shape, logical, code=f"where({choice}, {first}, {second})")


def cast(writer: Writer, node: Node, x: Value) -> Value:
    """Change the type of numbers; bfloat16 is for products to round to."""
    if node.dtype not in (torch.bool, torch.float32, torch.bfloat16):
        raise UntraceableError(f"There is no C++ code for {node.dtype}.")
    return as_truth(writer, x) if node.dtype is torch.bool else as_number(writer, x)


def as_truth(writer: Writer, x: Value) -> Value:
    """Return whether numbers are not zero."""
    code = f"({writer.term(x, x.shape)} != V(0.0f))"
    return x if x.logical else Value(x.shape, True, code=code)


def as_number(writer: Writer, x: Value) -> Value:
    """Return 1 for what is true and 0 for what is not."""
    return Value(x.shape, code=writer.term(x, x.shape)) if x.logical else x


def move(writer: Writer, node: Node, x: Value, *arguments: Any) -> Value:
    """Move numbers, which is to move the indices of where they are."""
    x = writer.stored(x)
    index = index_of(x)
    match node.operation:
        case "view":
            index = index.reshape(node.shape)
        case "expand":
            index = index.expand(node.shape)
        case "permute":
            index = index.permute(*arguments)
        case "take":
            dim, indices = arguments
            index = index.index_select(dim, torch.tensor(indices))
    return Value(node.shape, x.logical, x.name, index)


def gather(writer: Writer, node: Node, x: Value, dim: int, index: Operand) -> Value:
    """Take what is at an index along a dimension: each of a few, where it is computed."""
    x = writer.stored(x)
    if isinstance(index, Tensor):
        return Value(node.shape, x.logical, x.name, index_of(x).gather(dim, index))
    wanted = writer.term(index, node.shape)
    every = [Value(t.shape, x.logical, x.name, t) for t in torch.split(index_of(x), 1, dim)]
    code, *terms = (writer.term(each, node.shape, x.logical) for each in every)
    for number, term in enumerate(terms, 1):
        code = f"where({wanted} == V({float(number)}f), {term}, {code})"
    return Value(node.shape, x.logical, code=code)


def cat(writer: Writer, node: Node, parts: Sequence[Operand], dim: int) -> Value:
    """Write parts one behind the other, and join the indices of where they are."""
    logical, x, start, indices = node.dtype is torch.bool, writer.new(node.size), 0, []
    for part in parts:
        shape = shape_of(part)
        size = math.prod(shape)
        writer.loop(size, f"{x}[{start} + i] = {writer.term(part, shape, logical)};")
        indices.append(torch.arange(start, start + size).reshape(shape))
        start += size
    return Value(node.shape, logical, x, torch.cat(indices, dim))


def reduction(writer: Writer, node: Node, x: Value, dims: Sequence[int]) -> Value:
    """Write what reduces dimensions, from one number to the next."""
    code = REDUCTIONS[node.operation]
    x = writer.stored(as_truth(writer, x) if code.logical else as_number(writer, x))
    kept = [dim for dim in range(-len(x.shape), 0) if dim not in dims]
    rows = index_of(x).permute(*kept, *dims).reshape(node.size, -1)
    if rows.shape[1] <= FEW:
        first, *others = (f"{x.name}[{writer.place(column)}]" for column in rows.mT)
        for other in others:
            first = f"({code.cpp.format(first, other)})"
        return Value(node.shape, code.logical, code=first)
    total = writer.new(node.size)
    for number, row in enumerate(rows):
        sum_, term = f"{total}[{number}]", f"{x.name}[{writer.place(row[1:])}]"
        writer.line(f"{sum_} = {x.name}[{int(row[0])}];")
        writer.loop(len(row) - 1, f"{sum_} = {code.cpp.format(sum_, term)};")
    return Value(node.shape, code.logical, total, torch.arange(node.size).reshape(node.shape))


def layer_norm(writer: Writer, node: Node, x: Value, epsilon: float) -> Value:
    """Write a layer normalisation over the last dimension."""
    size, y, term = node.shape[-1], writer.new(node.size), writer.term(x, node.shape)
    for start in range(0, node.size, size):
        function = f"standardise<{start}, {size}>"
        writer.line(f"{function}({y}, {epsilon}f, [&](int i) {{ return {term}; }});")
    return Value(node.shape, False, y, torch.arange(node.size).reshape(node.shape))


OPERATIONS: dict[str, Operation] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("view", "expand", "permute", "take"), move),
    "where": where,
    "cast": cast,
    "gather": gather,
    "cat": cat,
    "matmul": matmul,
    "layer_norm": layer_norm,
}
"""What writes each of them."""
