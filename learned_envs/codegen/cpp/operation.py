"""The native code of torch's operations, and the list of all that there is code for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from learned_envs.codegen.cpp.product import matmul, matmul_add
from learned_envs.codegen.cpp.writer import Operand, Value, Writer, is_logical, shape_of
from learned_envs.codegen.trace import Operation, by_overload, filled
from learned_envs.errors import UntraceableError


def elementwise(template: str, takes: bool = False, gives: bool = False) -> Operation:
    """Return the operation whose code is `template` with the operands in place.

    Args:
        template: an expression.
        takes: whether the operands are to be true or false.
        gives: whether the result is.
    """

    def operation(writer: Writer, node: fx.Node, *operands: Operand) -> Value:
        shape = np.broadcast_shapes(*map(shape_of, operands))
        terms = [writer.term(operand, shape, takes) for operand in operands]
        return Value(shape, gives, code=template.format(*terms))

    return operation


def multiply(writer: Writer, node: fx.Node, x: Operand, y: Operand) -> Value:
    """Write a product, which of true and false is what both are."""
    logical = is_logical(x) and is_logical(y)
    template = "({} & {})" if logical else "({} * {})"
    result: Value = elementwise(template, logical, logical)(writer, node, x, y)
    return result


def move(writer: Writer, node: fx.Node, x: Operand, *arguments: Any, **keywords: Any) -> Any:
    """Apply an operation that only moves numbers to where they are."""
    value, target = writer.stored(x), node.target
    assert callable(target)
    moved = target(value.index, *arguments, **keywords)
    if isinstance(moved, Tensor):
        return Value(tuple(moved.shape), value.logical, value.name, moved)
    return [Value(tuple(index.shape), value.logical, value.name, index) for index in moved]


def gather(writer: Writer, node: fx.Node, x: Operand, dim: int, index: Operand) -> Value:
    """Take what is at an index along a dimension: each of a few, where it is computed."""
    if not isinstance(index, Value):
        result: Value = move(writer, node, x, dim, index)
        return result
    x, wanted = writer.stored(x), writer.term(index, index.shape)
    assert x.index is not None
    every = [Value(t.shape, x.logical, x.name, t) for t in torch.split(x.index, 1, dim)]
    terms = [writer.term(each, index.shape, x.logical) for each in every]
    code = terms[0]
    for number, term in enumerate(terms[1:], 1):
        code = f"where({wanted} == V({float(number)}f), {term}, {code})"
    return Value(index.shape, x.logical, code=code)


def join(writer: Writer, node: fx.Node, parts: Sequence[Operand], *arguments: Any) -> Value:
    """Write parts one behind the other, and join the indices of where they are."""
    logical, target = all(map(is_logical, parts)), node.target
    assert callable(target)
    sizes = [math.prod(shape_of(part)) for part in parts]
    x, start, indices = writer.new(sum(sizes)), 0, []
    for part, size in zip(parts, sizes, strict=True):
        shape = shape_of(part)
        writer.loop(size, f"{x}[{start} + i] = {writer.term(part, shape, logical)};")
        indices.append(torch.arange(start, start + size).reshape(shape))
        start += size
    joined = target(indices, *arguments)
    return Value(tuple(joined.shape), logical, x, joined)


def reduction(template: str, logical: bool = False) -> Operation:
    """Return the operation that reduces dimensions by `template` of what is so far and the next."""

    def operation(
        writer: Writer, node: fx.Node, x: Operand, dims: Any = None, *_: Any, **__: Any
    ) -> Value:
        if logical and not is_logical(x):
            x = elementwise("({} != V(0.0f))", gives=True)(writer, node, x)
        elif not logical and is_logical(x):
            x = elementwise("{}")(writer, node, x)
        x, rank, wanted = writer.stored(x), len(shape_of(x)), tuple(node.meta["val"].shape)
        dims = range(rank) if dims is None or dims == [] else dims
        last = [d % rank for d in ([dims] if isinstance(dims, int) else dims)]
        assert x.index is not None
        kept = [d for d in range(rank) if d not in last]
        rows = x.index.permute(*kept, *last).reshape(math.prod(wanted), -1)
        total = writer.new(len(rows))
        for number, row in enumerate(rows):
            sum_, count = f"{total}[{number}]", len(row) - 1
            writer.line(f"{sum_} = {f'{x.name}[{int(row[0])}]' if len(row) else 'V(0.0f)'};")
            term = f"{x.name}[{writer.place(row[1:])}]"
            writer.loop(max(count, 0), f"{sum_} = {template.format(sum_, term)};")
        return Value(wanted, logical, total, torch.arange(len(rows)).reshape(wanted))

    return operation


add_up = reduction("{} + {}")


def mean(writer: Writer, node: fx.Node, x: Operand, *arguments: Any, **keywords: Any) -> Value:
    """Write a mean as a sum times a constant."""
    total: Value = add_up(writer, node, x, *arguments, **keywords)
    share = math.prod(total.shape) / math.prod(shape_of(x))
    result: Value = elementwise("({} * {})")(writer, node, total, share)
    return result


def norm(writer: Writer, node: fx.Node, x: Operand, order: float = 2, *settings: Any) -> Value:
    """Write a Euclidean norm."""
    if order != 2:
        raise UntraceableError("There is no native code for norms but Euclid's.")
    total = add_up(writer, node, power(writer, node, x, 2), *settings)
    result: Value = elementwise("({}).sqrt()")(writer, node, total)
    return result


def power(writer: Writer, node: fx.Node, x: Operand, exponent: Operand) -> Value:
    """Write a power; most are squares."""
    square = isinstance(exponent, (int, float)) and exponent == 2
    if square:
        result: Value = elementwise("({0} * {0})")(writer, node, writer.stored(x))
    else:
        result = elementwise("({}).pow({})")(writer, node, x, exponent)
    return result


def layer_norm(
    writer: Writer, node: fx.Node, x: Value, shape: Any, weight: Any, bias: Any, eps: float
) -> list[Value]:
    """Write a layer normalisation over the last dimension."""
    if len(shape) != 1 or weight is not None or bias is not None:
        raise UntraceableError("There is no native code for layer normalisation with weights.")
    total, size = math.prod(x.shape), shape[0]
    y, term = writer.new(total), writer.term(x, x.shape)
    for start in range(0, total, size):
        writer.line(f"standardise<{start}, {size}>({y}, {eps}f, [&](int i) {{ return {term}; }});")
    return [Value(x.shape, False, y, torch.arange(total).reshape(x.shape))]


def getitem(writer: Writer, node: fx.Node, parts: Sequence[Value], index: int) -> Value:
    """Take one of several results."""
    if index >= len(parts):
        raise UntraceableError("There is no native code for the statistics of a normalisation.")
    return parts[index]


def clamp(
    writer: Writer, node: fx.Node, x: Operand, low: Operand | None = None, high: Any = None
) -> Operand:
    """Write bounds, which leave what is not a number as it is."""
    if low is not None:
        x = elementwise("maximum({}, {})")(writer, node, x, low)
    if high is not None:
        x = elementwise("minimum({}, {})")(writer, node, x, high)
    return x


def where(writer: Writer, node: fx.Node, mask: Operand, yes: Operand, no: Operand) -> Value:
    """Write a choice."""
    shape, logical = tuple(node.meta["val"].shape), node.meta["val"].dtype is torch.bool
    choice = writer.term(mask, shape, True)
    first, second = (writer.term(each, shape, logical) for each in (yes, no))
    return Value(shape, logical, code=f"where({choice}, {first}, {second})")


def cast(writer: Writer, node: fx.Node, x: Operand, **_: Any) -> Operand:
    """Change the type of numbers; bfloat16 is for products to round to."""
    kind = node.meta["val"].dtype
    if kind not in (torch.bool, torch.float32, torch.bfloat16):
        raise UntraceableError(f"There is no native code for {kind}.")
    if is_logical(x) == (kind is torch.bool):
        return x
    code, gives = ("({} != V(0.0f))", True) if kind is torch.bool else ("{}", False)
    result: Value = elementwise(code, gives=gives)(writer, node, x)
    return result


_NUMBERS = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "rsub": "({1} - {0})",
    "div": "({} / {})",
    "neg": "({}).neg()",
    "abs": "({}).abs()",
    "sin": "({}).sin()",
    "cos": "({}).cos()",
    "tanh": "tanh({})",
    "exp": "({}).exp()",
    "sqrt": "({}).sqrt()",
    "atan2": "({}).atan2({})",
    "silu": "silu({})",
}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_MOVES = (
    *("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "expand", "t", "transpose"),
    *("permute", "select", "slice", "unbind", "index_select", "alias", "detach", "clone"),
)

_NAMED: dict[str, Operation] = {
    **{name: elementwise(template) for name, template in _NUMBERS.items()},
    **{n: elementwise(f"({{}} {s} {{}})", gives=True) for n, s in _COMPARISONS.items()},
    **dict.fromkeys(_MOVES, move),
    "mul": multiply,
    "bitwise_not": elementwise("(~{})", True, True),
    "logical_not": elementwise("(~{})", True, True),
    "bitwise_and": elementwise("({} & {})", True, True),
    "bitwise_or": elementwise("({} | {})", True, True),
    "gather": gather,
    "cat": join,
    "stack": join,
    "linalg_vector_norm": norm,
    "mm": matmul,
    "bmm": matmul,
    "addmm": matmul_add,
    "baddbmm": matmul_add,
    "clamp": clamp,
    "where": where,
    "all": reduction("{} & {}", True),
    "any": reduction("{} | {}", True),
    "sum": add_up,
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
