"""What torch computes for each operation, with dimensions of a batch before those of a sample."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from learned_envs.rules.graph import Node
from learned_envs.rules.operation import ELEMENTWISE, REDUCTIONS

Function = Callable[..., Tensor]


def maximum(x: Any, y: Any) -> Tensor:
    """Return the larger; one of the two may be a number."""
    if isinstance(y, float):
        return torch.clamp(x, min=y)
    return torch.clamp(y, min=x) if isinstance(x, float) else torch.maximum(x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """Return the smaller; one of the two may be a number."""
    if isinstance(y, float):
        return torch.clamp(x, max=y)
    return torch.clamp(y, max=x) if isinstance(x, float) else torch.minimum(x, y)


def sign(x: Tensor) -> Tensor:
    """Return -1, 0 or 1; what is not a number stays that."""
    return torch.where(torch.isnan(x), x, torch.sign(x))


def sqrt(x: Tensor) -> Tensor:
    """Return the square root, whose gradient is 0 at 0: so no norm of zeros has a NaN."""
    if not x.requires_grad:
        return torch.sqrt(x)
    zero = x == 0
    return torch.where(zero, x, torch.sqrt(torch.where(zero, 1.0, x)))


def acos(x: Tensor) -> Tensor:
    """Return the arc cosine, whose gradient is 0 at 1 and -1."""
    return _bounded(torch.acos, x)


def asin(x: Tensor) -> Tensor:
    """Return the arc sine, whose gradient is 0 at 1 and -1."""
    return _bounded(torch.asin, x)


def _bounded(function: Function, x: Tensor) -> Tensor:
    if not x.requires_grad:
        return function(x)
    end = x.abs() == 1
    return torch.where(end, function(x.detach()), function(torch.where(end, 0.0, x)))


def prod(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Return the product over dimensions, of which torch takes one at a time."""
    for dim in dims:
        x = torch.prod(x, dim, keepdim=True)
    return x.squeeze(tuple(dims))


_ELEMENTWISE: dict[str, Function] = {
    **{name: getattr(torch, name) for name in ELEMENTWISE},
    # These take numbers in the place of either operand.
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "pow": operator.pow,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "maximum": maximum,
    "minimum": minimum,
    "sign": sign,
    "sqrt": sqrt,
    "acos": acos,
    "asin": asin,
}

NUMBERS = {
    **dict.fromkeys(("add", "sub", "mul", "pow", "maximum", "minimum"), (0, 1)),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), (0, 1)),
    **dict.fromkeys(("div", "remainder"), (1,)),
}
"""Which operands of an operation may be plain numbers."""

_REDUCTIONS: dict[str, Function] = {
    **{name: getattr(torch, name) for name in REDUCTIONS},
    "prod": prod,
}


def torch_operation(node: Node, args: Sequence[Node]) -> Function:
    """Return the function of a node, from the values of its arguments.

    Args:
        node: no input and no constant. A cast takes the type, too; a take whose indices are no
            slice takes them as a tensor.
        args: the nodes of its arguments.
    """
    if node.op in _ELEMENTWISE:
        return _ELEMENTWISE[node.op]
    if node.op in _REDUCTIONS:
        function, dims = _REDUCTIONS[node.op], node.data
        # Over no dimensions torch would reduce all.
        return (lambda x: x.clone()) if dims == () else lambda x: function(x, dims)
    return _STRUCTURAL[node.op](node, args)


def slices(indices: Sequence[int]) -> bool:
    """Return whether indices are at equal distances, one after the other."""
    if not indices:
        return False
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    return step > 0 and list(indices) == list(range(indices[0], indices[-1] + 1, step))


def _take(node: Node, args: Sequence[Node]) -> Function:
    data: Any = node.data
    dim, indices = data
    if not slices(indices):
        return lambda x, places: x.index_select(dim, places)
    start, size = indices[0], len(indices)
    step = indices[1] - start if size > 1 else 1
    if step == 1:
        return lambda x: x.narrow(dim, start, size)
    index = (..., slice(start, start + size * step, step), *[slice(None)] * (-1 - dim))
    return lambda x: x[index]


def _view(node: Node, args: Sequence[Node]) -> Function:
    shape, dims = node.shape, len(args[0].shape)
    return lambda x: x.reshape(x.shape[: x.ndim - dims] + shape)


def _expand(node: Node, args: Sequence[Node]) -> Function:
    shape, dims = node.shape, len(node.shape)
    return lambda x: x.expand(x.shape[: x.ndim - dims] + shape)


def _permute(node: Node, args: Sequence[Node]) -> Function:
    dims: Any = node.data
    if dims == (-1, -2):
        return lambda x: x.mT
    return lambda x: x.permute(*range(x.ndim - len(dims)), *dims)


def _cat(node: Node, args: Sequence[Node]) -> Function:
    dim: Any = node.data
    known = [arg.op == "constant" for arg in args]
    if not any(known):
        return lambda *parts: torch.cat(parts, dim)
    some, dims = known.index(False), len(node.shape)

    def function(*parts: Tensor) -> Tensor:
        batch = parts[some].shape[: parts[some].ndim - dims]
        whole = [
            part.expand(batch + part.shape) if constant else part
            for part, constant in zip(parts, known, strict=True)
        ]
        return torch.cat(whole, dim)

    return function


def _where(node: Node, args: Sequence[Node]) -> Function:
    return torch.where


def _matmul(node: Node, args: Sequence[Node]) -> Function:
    return torch.matmul


def _cast(node: Node, args: Sequence[Node]) -> Function:
    return lambda x, dtype: x.to(dtype)


_STRUCTURAL: dict[str, Callable[[Node, Sequence[Node]], Function]] = {
    "take": _take,
    "cast": _cast,
    "view": _view,
    "expand": _expand,
    "permute": _permute,
    "cat": _cat,
    "where": _where,
    "matmul": _matmul,
}
