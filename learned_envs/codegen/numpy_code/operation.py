"""The numpy code of all operations that code is written of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learned_envs.codegen.graph import Node, Operation
from learned_envs.codegen.numpy_code.kernel import Array
from learned_envs.codegen.numpy_code.writer import (
    Operand,
    Value,
    Writer,
    array_of,
    scaled,
    shape_of,
    shifted,
)
from learned_envs.codegen.operations import ELEMENTWISE, REDUCTIONS
from learned_envs.errors import UntraceableError


def elementwise(writer: Writer, node: Node, *operands: Operand) -> Value:
    """Write what the list has, with the operands' names in place."""
    shape = np.broadcast_shapes(*map(shape_of, operands))
    names = [writer.name(operand, shape) for operand in operands]
    return writer.emit(ELEMENTWISE[node.operation].numpy.format(*names), shape)


def put_off(apply: Callable[[Value, Array], Value]) -> Operation:
    """Return the operation that is put off as `apply` does where one of two is a constant."""

    def operation(writer: Writer, node: Node, x: Operand, y: Operand) -> Value:
        for value, other in ((x, y), (y, x)):
            if isinstance(value, Value) and (constant := constant_for(value, other)) is not None:
                return apply(value, constant)
        return elementwise(writer, node, x, y)

    return operation


def subtract(writer: Writer, node: Node, x: Operand, y: Operand) -> Value:
    """Write a difference, or put it off where one of the two is a constant."""
    if isinstance(x, Value) and (offset := constant_for(x, y)) is not None:
        return shifted(x, -offset)
    if isinstance(y, Value) and (offset := constant_for(y, x)) is not None:
        return shifted(scaled(y, array_of(-1.0)), offset)
    return elementwise(writer, node, x, y)


def divide(writer: Writer, node: Node, x: Operand, y: Operand) -> Value:
    """Write a quotient, or put it off where y is a constant."""
    if isinstance(x, Value) and (divisor := constant_for(x, y)) is not None and divisor.all():
        return scaled(x, 1 / divisor)
    return elementwise(writer, node, x, y)


def power(writer: Writer, node: Node, x: Operand, exponent: Operand) -> Value:
    """Write a power, a number as it is: numpy has short cuts for some."""
    if isinstance(exponent, (int, float)) and isinstance(x, Value):
        return writer.emit(f"{writer.name(x)} ** {exponent}", x.shape)
    return elementwise(writer, node, x, exponent)


def matmul(writer: Writer, node: Node, x: Operand, weight: Operand) -> Value:
    """Write a matrix product; constant weights take in what was put off."""
    wanted = shape_of(node)
    if not isinstance(x, Value) or not isinstance(weight, Tensor):
        x, weight_name, right = writer.plain(x), writer.name(weight), shape_of(weight)
        if len(x.shape) == 1 and len(right) != 2:
            raise UntraceableError("There is no numpy code for vectors times several matrices.")
        if len(x.shape) == 1:
            return writer.emit(f"{x.name}.dot({weight_name})", right[-1:], wanted)
        shape = (*np.broadcast_shapes(x.shape[:-2], right[:-2]), x.shape[-2], right[-1])
        return writer.emit(f"np.matmul({x.name}, {weight_name})", shape, wanted)
    w = array_of(weight)
    if w.ndim == 1:
        w = w[:, None] if weight.shape[-1] == 1 else w[None]
    if x.shift is not None:
        # Within the weights, a shift that almost cancels the array would cost digits.
        x = writer.unshifted(x)
    if x.standardised is not None and w.ndim > max(2, len(x.shape)):
        x = writer.plain(x)
    if x.scale is not None and len(x.shape) > 1 and x.shape[-2] > 1:
        # Each row has a scale of its own, and weights have one for all rows.
        x = writer.plain(x)
    if x.scale is not None:
        w = np.broadcast_to(x.scale, x.shape).reshape(*x.shape[:-2], x.shape[-1], 1) * w
    shape = (*x.shape[:-1], w.shape[-1])
    if x.standardised is not None:
        ones = np.full((*w.shape[:-1], 1), 1 / w.shape[-2], w.dtype)
        w = np.concatenate((w - w.mean(-2, keepdims=True), ones), -1)
        function = "standardised_dot" if len(x.shape) == 1 else "standardised_dots"
        code = f"{function}({x.name}, {writer.constant(w)}, {x.standardised})"
    elif len(x.shape) == 1 and w.ndim == 3:
        # All members see the same: one product with their weights side by side.
        side = np.ascontiguousarray(w.transpose(1, 0, 2).reshape(w.shape[1], -1))
        code, shape = f"{x.name}.dot({writer.constant(side)})", side.shape[1:]
    elif len(x.shape) == 1:
        code = f"{x.name}.dot({writer.constant(w)})"
    else:
        code = f"np.matmul({x.name}, {writer.constant(w)})"
    return writer.emit(code, shape, wanted)


def where(writer: Writer, node: Node, mask: Operand, yes: Operand, no: Operand) -> Value:
    """Write a choice, as Python's own where there is but one."""
    wanted = shape_of(node)
    choice, first, second = writer.name(mask), writer.name(yes, wanted), writer.name(no, wanted)
    arrays = (each for each in (yes, no) if isinstance(each, Value))
    if shape_of(mask) == (1,) and all(array.shape == wanted for array in arrays):
        return writer.emit(f"({first} if {choice}[0] else {second})", wanted)
    return writer.emit(f"np.where({choice}, {first}, {second})", wanted)


def reduction(writer: Writer, node: Node, x: Value, axes: Sequence[int]) -> Value:
    """Write what reduces dimensions by one of numpy's functions."""
    source: Node = node.arguments[0]
    x = writer.plain(x) if math.prod(x.shape) == source.size else writer.whole(source)
    axes = [axis for axis in axes if -axis <= len(x.shape)]
    if not axes:
        return writer.shaped(x, shape_of(node))
    shape = tuple(1 if i - len(x.shape) in axes else s for i, s in enumerate(x.shape))
    if node.operation == "all" and len(axes) == len(x.shape):
        return writer.emit(f"all_true({x.name})", (1,))
    function = REDUCTIONS[node.operation].numpy
    code = f"{function}({x.name}, axis={tuple(axes)}, keepdims=True)"
    return writer.emit(code, shape, shape_of(node))


def layer_norm(writer: Writer, node: Node, x: Value, epsilon: float) -> Value:
    """Put off a layer normalisation."""
    x = writer.whole(node.arguments[0])
    return Value(x.name, x.shape, standardised=epsilon)


def cast(writer: Writer, node: Node, x: Value) -> Value:
    """Change the type of numbers."""
    kind = array_of(torch.zeros((), dtype=node.dtype)).dtype
    return writer.emit(f"{writer.name(x)}.astype(np.{kind})", x.shape)


def view(writer: Writer, node: Node, x: Value) -> Value:
    """Give an array another shape: often none that the code would know of."""
    whole = math.prod(x.shape) == node.size
    return writer.shaped(x if whole else writer.whole(node.arguments[0]), shape_of(node))


def expand(writer: Writer, node: Node, x: Value) -> Value:
    """Return the array itself: numpy broadcasts by itself what torch expands."""
    return x


def permute(writer: Writer, node: Node, x: Value, dims: Sequence[int]) -> Value:
    """Put an array's dimensions, of which the code knows no leading ones, in another order."""
    source: Node = node.arguments[0]
    code = f"{writer.whole(source).name}.reshape({source.shape}).transpose({tuple(dims)})"
    return writer.emit(code, node.shape, shape_of(node))


def take(writer: Writer, node: Node, x: Value, axis: int, indices: Sequence[int]) -> Value:
    """Take what is at constant indices along an axis."""
    wanted, place = shape_of(node), len(x.shape) + axis
    first, size = indices[0], len(indices)
    if place < 0 or x.shape[place] == 1:
        # All that is there is the same.
        return writer.shaped(x, wanted)
    run = list(indices) == list(range(first, first + size))
    index = f"{first}:{first + size}" if run else writer.name(torch.tensor(indices))
    shape = tuple(size if i == place else s for i, s in enumerate(x.shape))
    code = f"[{':, ' * place}{index}]"
    if x.standardised is not None or shape != wanted:
        return writer.emit(f"{writer.name(x)}{code}", shape, wanted)
    taken = writer.emit(f"{x.name}{code}", shape)
    for constant, apply in ((x.scale, scaled), (x.shift, shifted)):
        if constant is not None:
            constant = np.broadcast_to(constant, x.shape)
            taken = apply(taken, constant.take(indices, axis))
    return taken


def gather(writer: Writer, node: Node, *_: Any) -> Value:
    """Refuse what is not the same everywhere."""
    raise UntraceableError("There is no numpy code for indices that are computed.")


def cat(writer: Writer, node: Node, parts: Sequence[Operand], axis: int) -> Value:
    """Put arrays one behind the other along an axis."""
    arrays = [writer.whole(source) for source in node.arguments[0]]
    rank = max(-axis, *(len(array.shape) for array in arrays))
    shapes = [(1,) * (rank - len(array.shape)) + array.shape for array in arrays]
    names = [writer.shaped(a, s).name for a, s in zip(arrays, shapes, strict=True)]
    if len(names) == 1:
        return arrays[0]
    size = sum(shape[axis] for shape in shapes)
    shape = tuple(size if i == rank + axis else s for i, s in enumerate(shapes[0]))
    where = "" if rank == 1 else f", {axis}"
    return writer.emit(f"np.concatenate(({', '.join(names)}){where})", shape, shape_of(node))


def constant_for(value: Value, other: Operand) -> Array | None:
    """Return `other` where it is a constant that `value` can be scaled or shifted by as it is."""
    if isinstance(other, Value) or np.broadcast_shapes(value.shape, shape_of(other)) != value.shape:
        return None
    return array_of(other).astype(np.float32)


OPERATIONS: dict[str, Operation] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(REDUCTIONS, reduction),
    "add": put_off(shifted),
    "sub": subtract,
    "mul": put_off(scaled),
    "div": divide,
    "pow": power,
    "where": where,
    "cast": cast,
    "view": view,
    "expand": expand,
    "permute": permute,
    "take": take,
    "gather": gather,
    "cat": cat,
    "matmul": matmul,
    "layer_norm": layer_norm,
}
"""What writes each of them."""
