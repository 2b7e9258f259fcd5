"""The numpy code of torch's operations, and the list of all that there is code for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, fx

from learned_envs.codegen.numpy_code.kernel import Array
from learned_envs.codegen.numpy_code.layout import (
    concatenate,
    cut,
    gather,
    getitem,
    index_select,
    same,
    select,
    source,
    stack,
    unbind,
    view,
)
from learned_envs.codegen.numpy_code.writer import (
    Operand,
    Value,
    Writer,
    array_of,
    scaled,
    shape_of,
    shifted,
)
from learned_envs.codegen.trace import Operation, by_overload, filled
from learned_envs.errors import UntraceableError


def elementwise(template: str) -> Callable[..., Value]:
    """Return the operation whose code is `template` with the operands' names in place."""

    def operation(writer: Writer, node: fx.Node, *operands: Operand) -> Value:
        shape = np.broadcast_shapes(*map(shape_of, operands))
        names = [writer.name(operand, shape) for operand in operands]
        return writer.emit(template.format(*names), shape)

    return operation


def add(writer: Writer, node: fx.Node, x: Operand, y: Operand, sign: float = 1.0) -> Value:
    """Write x + sign y, or put it off where one of them is a constant."""
    if isinstance(x, Value) and (offset := constant_for(x, y)) is not None:
        return shifted(x, offset * np.float32(sign))
    if isinstance(y, Value) and (offset := constant_for(y, x)) is not None:
        return shifted(y if sign == 1.0 else scaled(y, array_of(sign)), offset)
    return elementwise("{} + {}" if sign == 1.0 else "{} - {}")(writer, node, x, y)


def subtract(writer: Writer, node: fx.Node, x: Operand, y: Operand) -> Value:
    """Write x - y, or put it off where one of them is a constant."""
    return add(writer, node, x, y, -1.0)


def subtract_from(writer: Writer, node: fx.Node, x: Operand, y: Operand) -> Value:
    """Write y - x, or put it off where one of them is a constant."""
    return add(writer, node, y, x, -1.0)


def multiply(writer: Writer, node: fx.Node, x: Operand, y: Operand) -> Value:
    """Write x y, or put it off where one of them is a constant."""
    for value, other in ((x, y), (y, x)):
        if isinstance(value, Value) and (factor := constant_for(value, other)) is not None:
            return scaled(value, factor)
    return elementwise("{} * {}")(writer, node, x, y)


def divide(writer: Writer, node: fx.Node, x: Operand, y: Operand) -> Value:
    """Write x / y, or put it off where y is a constant."""
    if isinstance(x, Value) and (divisor := constant_for(x, y)) is not None:
        return scaled(x, 1 / divisor)
    return elementwise("{} / {}")(writer, node, x, y)


def constant_for(value: Value, other: Operand) -> Array | None:
    """Return `other` where it is a constant that `value` can be scaled or shifted by as it is."""
    if isinstance(other, Value) or np.broadcast_shapes(value.shape, shape_of(other)) != value.shape:
        return None
    return array_of(other).astype(np.float32)


def norm(writer: Writer, node: fx.Node, x: Value, order: float = 2, *settings: Any) -> Value:
    """Write a Euclidean norm."""
    if order != 2:
        raise UntraceableError("There is no numpy code for norms but Euclid's.")
    squares = power(writer, node, x, 2)
    total = reduction("np.add.reduce")(writer, node, squares, *settings)
    return writer.emit(f"np.sqrt({total.name})", total.shape)


def matmul(writer: Writer, node: fx.Node, x: Operand, weight: Operand) -> Value:
    """Write a matrix product; constant weights take in what was put off."""
    if not isinstance(x, Value) or not isinstance(weight, Tensor):
        x, weight_name, right = writer.plain(x), writer.name(weight), shape_of(weight)
        if len(x.shape) == 1:
            raise UntraceableError("There is no numpy code for vectors times computed matrices.")
        shape = (*np.broadcast_shapes(x.shape[:-2], right[:-2]), x.shape[-2], right[-1])
        return writer.emit(f"np.matmul({x.name}, {weight_name})", shape, shape_of(node))
    w = array_of(weight)
    if w.ndim == 1:
        w = w[:, None] if weight.shape[-1] == 1 else w[None]
    if x.shift is not None:
        # Within the weights, a shift that almost cancels the array would cost digits.
        x = writer.unshifted(x)
    if x.standardised is not None and w.ndim > max(2, len(x.shape)):
        x = writer.plain(x)
    if x.scale is not None:
        w = np.broadcast_to(x.scale, x.shape).reshape(*x.shape[:-2], x.shape[-1], 1) * w
    shape = (*x.shape[:-1], w.shape[-1])
    if x.standardised is not None:
        ones = np.full((*w.shape[:-1], 1), 1 / w.shape[-2], w.dtype)
        w = np.concatenate((w - w.mean(-2, keepdims=True), ones), -1)
        function = "standardised_dot" if len(x.shape) == 1 else "standardised_dots"
        code = f"{function}({x.name}, {writer.constant(w)}, {x.standardised})"
        product = writer.emit(code, shape)
    elif len(x.shape) == 1 and w.ndim == 3:
        # All members see the same: one product with their weights side by side.
        side = np.ascontiguousarray(w.transpose(1, 0, 2).reshape(w.shape[1], -1))
        shape = (w.shape[0], 1, w.shape[2])
        product = writer.emit(f"{x.name}.dot({writer.constant(side)})", side.shape[1:], shape)
    elif len(x.shape) == 1:
        product = writer.emit(f"{x.name}.dot({writer.constant(w)})", shape)
    else:
        product = writer.emit(f"np.matmul({x.name}, {writer.constant(w)})", shape)
    return view(writer, node, product)


def matmul_add(writer: Writer, node: fx.Node, bias: Operand, x: Operand, weight: Operand) -> Value:
    """Write a matrix product with an offset."""
    return add(writer, node, matmul(writer, node, x, weight), bias)


def clamp(
    writer: Writer,
    node: fx.Node,
    x: Operand,
    low: Operand | None = None,
    high: Operand | None = None,
) -> Value:
    """Write the bounds one after the other; numpy's clip takes longer."""
    value = writer.plain(x)
    for function, bound in (("maximum", low), ("minimum", high)):
        if bound is not None:
            bound = float(bound) if isinstance(bound, int) else bound
            shape = np.broadcast_shapes(value.shape, shape_of(bound))
            value = writer.emit(f"np.{function}({value.name}, {writer.name(bound, shape)})", shape)
    return value


def where(writer: Writer, node: fx.Node, mask: Operand, yes: Operand, no: Operand) -> Value:
    """Write a choice, as Python's own where there is but one."""
    wanted = shape_of(node)
    choice, first, second = writer.name(mask), writer.name(yes, wanted), writer.name(no, wanted)
    arrays = (each for each in (yes, no) if isinstance(each, Value))
    if shape_of(mask) == (1,) and all(array.shape == wanted for array in arrays):
        return writer.emit(f"({first} if {choice}[0] else {second})", wanted)
    return writer.emit(f"np.where({choice}, {first}, {second})", wanted)


def reduction(function: str) -> Operation:
    """Return the operation that reduces dimensions by one of numpy's functions."""

    def operation(
        writer: Writer, node: fx.Node, x: Value, dims: Any = None, *_: Any, **__: Any
    ) -> Value:
        rank = len(source(node, 0)[0])
        dims = range(rank) if dims is None else [dims] if isinstance(dims, int) else dims
        if math.prod(x.shape) != math.prod(source(node, 0)[0]):
            x = writer.whole(node.args[0])
        x = writer.plain(x)
        axes = [d if d < 0 else d - rank for d in dims]
        axes = [axis for axis in axes if -axis <= len(x.shape)]
        if not axes:
            return view(writer, node, x)
        shape = tuple(1 if i - len(x.shape) in axes else s for i, s in enumerate(x.shape))
        if function == "np.logical_and.reduce" and len(axes) == len(x.shape):
            return writer.emit(f"all_true({x.name})", (1,))
        code = f"{function}({x.name}, axis={tuple(axes)}, keepdims=True)"
        return writer.emit(code, shape, shape_of(node))

    return operation


def mean(writer: Writer, node: fx.Node, x: Value, *arguments: Any, **settings: Any) -> Value:
    """Write a mean as a sum; numpy's mean takes four times as long."""
    total = reduction("np.add.reduce")(writer, node, x, *arguments, **settings)
    count = math.prod(source(node, 0)[0]) / math.prod(node.meta["val"].shape)
    return scaled(total, array_of(1 / count))


def power(writer: Writer, node: fx.Node, x: Value, exponent: float) -> Value:
    """Write a power; most are squares."""
    if not isinstance(x, Value) or not isinstance(exponent, (int, float)):
        raise UntraceableError("There is no numpy code for powers but of constant exponents.")
    name = writer.name(x)
    return writer.emit(f"{name} * {name}" if exponent == 2 else f"{name} ** {exponent}", x.shape)


def layer_norm(
    writer: Writer, node: fx.Node, x: Value, shape: Any, weight: Any, bias: Any, eps: float
) -> list[Value]:
    """Put off a layer normalisation."""
    if len(shape) != 1 or weight is not None or bias is not None:
        raise UntraceableError("There is no numpy code for layer normalisation with weights.")
    x = writer.whole(node.args[0])
    return [Value(x.name, x.shape, standardised=eps)]


def cast(writer: Writer, node: fx.Node, x: Value, **_: Any) -> Value:
    """Change the type of numbers."""
    kind = node.meta["val"].dtype
    if node.args[0].meta["val"].dtype == kind:  # type: ignore[union-attr]
        return x
    return writer.emit(f"{writer.name(x)}.astype(np.{str(kind).removeprefix('torch.')})", x.shape)


_TEMPLATES: dict[str, str] = {
    "neg": "-{}",
    "abs": "np.abs({})",
    "sin": "np.sin({})",
    "cos": "np.cos({})",
    "tanh": "np.tanh({})",
    "exp": "np.exp({})",
    "sqrt": "np.sqrt({})",
    "silu": "silu({})",
    "bitwise_not": "~{}",
    "logical_not": "~{}",
    "isfinite": "np.isfinite({})",
    "atan2": "np.arctan2({}, {})",
    "bitwise_and": "{} & {}",
    "bitwise_or": "{} | {}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
}

_NAMED: dict[str, Operation] = {
    **{name: elementwise(template) for name, template in _TEMPLATES.items()},
    "add": add,
    "sub": subtract,
    "rsub": subtract_from,
    "mul": multiply,
    "div": divide,
    "view": view,
    "_unsafe_view": view,
    "reshape": view,
    "unsqueeze": view,
    "squeeze": view,
    "alias": same,
    "detach": same,
    "clone": same,
    "expand": same,
    "select": select,
    "slice": cut,
    "unbind": unbind,
    "index_select": index_select,
    "gather": gather,
    "cat": concatenate,
    "stack": stack,
    "linalg_vector_norm": norm,
    "mm": matmul,
    "bmm": matmul,
    "addmm": matmul_add,
    "baddbmm": matmul_add,
    "clamp": clamp,
    "where": where,
    "all": reduction("np.logical_and.reduce"),
    "any": reduction("np.logical_or.reduce"),
    "sum": reduction("np.add.reduce"),
    "mean": mean,
    "pow": power,
    "native_layer_norm": layer_norm,
    "_to_copy": cast,
    "zeros_like": filled(0.0),
    "new_zeros": filled(0.0),
    "ones_like": filled(1.0),
}

OPERATIONS: dict[Callable[..., Any], Operation] = {
    operator.getitem: getitem,
    **by_overload(_NAMED),
}
"""What writes each of the operations that a traced graph is made of."""
