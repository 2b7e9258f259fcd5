"""What each of torch's operations is made of."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from learned_envs.codegen.graph import Builder, Graph, Node, flat
from learned_envs.codegen.operations import ELEMENTWISE, REDUCTIONS
from learned_envs.errors import UntraceableError

_OF_A_SHAPE = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
"""What torch makes of a shape and a type alone."""


def lowered(module: fx.GraphModule) -> Graph:
    """Return a trace of torch's operations as a graph of those in `operations.py`.

    Raises:
        UntraceableError: where an operation is not made of these.
    """
    module.graph.eliminate_dead_code()
    rules, values = _Rules(), dict[fx.Node, Any]()
    known: dict[Any, Tensor] = {}
    for place, node in enumerate(module.graph.nodes):
        arguments, keywords = fx.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "placeholder":
            example = node.meta["val"]
            values[node] = rules.build.node("input", example.shape, example.dtype, place)
        elif node.op == "get_attr":
            tensor = operator.attrgetter(node.target)(module)
            values[node] = known.setdefault(node.target, tensor.detach())
        elif node.op == "call_function":
            values[node] = rules.value(node, arguments, keywords)
    return rules.build.graph(arguments[0])


class _Rules:
    """What each of torch's operations is made of.

    For the operation `sin` there is a method `aten_sin`, or a line in `operations.py`. It is
    applied to nodes, tensors that are known, numbers, and lists of them; x is a node. It gives a
    node, or something known.

    Attributes:
        build: the graph so far.
        result: an example of what torch's operation gives.
    """

    def __init__(self) -> None:
        self.build = Builder()
        self.result: Any = None

    def value(self, node: fx.Node, arguments: Any, keywords: Any) -> Any:
        """Return the value of a node of torch's."""
        target: Any = node.target
        name = target.__name__.partition(".")[0]
        if name in _OF_A_SHAPE:
            like, *others = arguments
            arguments = (torch.zeros(like.shape, dtype=like.dtype), *others)
        if not any(isinstance(x, Node) for x in flat((*arguments, *keywords.values()))):
            if node.is_impure():
                self.build.constants_changed()
            with torch.no_grad():
                return target(*arguments, **keywords)
        self.result = node.meta.get("val")
        if isinstance(self.result, Tensor) and self.result.numel() == 0:
            return torch.empty(tuple(self.result.shape), dtype=self.result.dtype)
        rule = getattr(self, f"aten_{name}", None)
        if rule is None and name in ELEMENTWISE:
            rule = partial(self.elementwise, name)
        elif rule is None and name in REDUCTIONS:
            rule = partial(self.reduce, name)
        elif rule is None:
            raise UntraceableError(f"There is no code for {target}.")
        try:
            return rule(*arguments, **keywords)
        except TypeError as error:
            raise UntraceableError(f"There is no code for this {target}.") from error

    def make(self, operation: str, *arguments: Any) -> Node:
        """Return the node of an operation that gives what torch's does."""
        return self.build.node(operation, self.result.shape, self.result.dtype, *arguments)

    def elementwise(self, name: str, *operands: Any) -> Node:
        """Make what is done to each number, with numbers beside real ones real."""
        if len(operands) != ELEMENTWISE[name].operands:
            raise TypeError
        kinds = [x.dtype for x in operands if isinstance(x, (Node, Tensor))]
        if all(kind.is_floating_point for kind in kinds):
            operands = tuple(float(x) if isinstance(x, int) else x for x in operands)
        return self.make(name, *operands)

    def reduce(self, name: str, x: Node, dims: Any = None, *_: Any, **__: Any) -> Node:
        """Make what reduces dimensions; whether they are kept, the result's shape says."""
        every = range(len(x.shape)) if dims is None or dims == [] else dims
        every = [every] if isinstance(every, int) else every
        return self.make(name, x, sorted(_from_end(x, dim) for dim in every))

    def view(self, x: Any, shape: Sequence[int]) -> Any:
        """Give x, which may be known, another shape."""
        if isinstance(x, Tensor):
            return x.reshape(tuple(shape))
        x = x.arguments[0] if x.operation == "view" else x
        return x if x.shape == tuple(shape) else self.build.node("view", shape, x.dtype, x)

    def take(self, x: Node, dim: int, indices: Sequence[int]) -> Node:
        """Make what x has at indices along a dimension; all of them, in order, are x."""
        shape = list(x.shape)
        if list(indices) == list(range(shape[dim])):
            return x
        shape[dim] = len(indices)
        return self.build.node("take", shape, x.dtype, x, _from_end(x, dim), indices)

    def pick(self, x: Any, dim: int, indices: list[int]) -> Any:
        """Take from x, which may be known."""
        if isinstance(x, Tensor):
            return x.index_select(dim, torch.tensor(indices))
        return self.take(x, dim, indices)

    def aten_alias(self, x: Node, **_: Any) -> Node:
        return x

    aten_clone = aten_detach = aten_alias

    def aten__to_copy(self, x: Node, **_: Any) -> Node:
        return x if x.dtype == self.result.dtype else self.make("cast", x)

    def aten_mul(self, x: Any, y: Any) -> Node:
        return self.elementwise("bitwise_and" if self.result.dtype is torch.bool else "mul", x, y)

    def aten_rsub(self, x: Any, y: Any) -> Node:
        return self.elementwise("sub", y, x)

    def aten_reciprocal(self, x: Any) -> Node:
        return self.elementwise("div", 1.0, x)

    def aten_pow(self, x: Any, exponent: Any) -> Node:
        square = isinstance(exponent, (int, float)) and exponent == 2
        return self.make("mul", x, x) if square else self.elementwise("pow", x, exponent)

    def aten_isnan(self, x: Node) -> Node:
        return self.make("ne", x, x)

    def aten_logical_not(self, x: Node) -> Node:
        if x.dtype is not torch.bool:
            raise TypeError
        return self.make("bitwise_not", x)

    def aten_clamp(self, x: Any, low: Any = None, high: Any = None) -> Node:
        x = x if low is None else self.elementwise("maximum", x, low)
        return x if high is None else self.elementwise("minimum", x, high)

    aten_clamp_min = aten_clamp

    def aten_addcmul(self, x: Any, y: Any, z: Any) -> Node:
        return self.elementwise("add", x, self.elementwise("mul", y, z))

    def aten_lerp(self, x: Any, y: Any, share: Any) -> Node:
        return self.aten_addcmul(x, self.elementwise("sub", y, x), share)

    def aten_linalg_cross(self, x: Any, y: Any, dim: int = -1) -> Node:
        dim, (one, two) = _from_end(self.result, dim), ([1, 2, 0], [2, 0, 1])
        first = self.elementwise("mul", self.pick(x, dim, one), self.pick(y, dim, two))
        second = self.elementwise("mul", self.pick(x, dim, two), self.pick(y, dim, one))
        return self.elementwise("sub", first, second)

    def aten_where(self, mask: Any, yes: Any, no: Any) -> Any:
        same = yes is no and getattr(yes, "shape", None) == self.result.shape
        return yes if same else self.make("where", mask, yes, no)

    def aten_view(self, x: Node, *_: Any) -> Any:
        return self.view(x, self.result.shape)

    aten_reshape = aten__unsafe_view = aten_squeeze = aten_unsqueeze = aten_view

    def aten_expand(self, x: Node, *_: Any) -> Node:
        return x if x.shape == self.result.shape else self.make("expand", x)

    def aten_permute(self, x: Node, dims: Sequence[int]) -> Node:
        return self.make("permute", x, [_from_end(x, dim) for dim in dims])

    def aten_transpose(self, x: Node, first: int = 0, second: int = -1) -> Node:
        dims = list(range(len(x.shape)))
        dims[first], dims[second] = dims[second], dims[first]
        return self.aten_permute(x, dims)

    aten_t = aten_transpose

    def aten_slice(
        self, x: Node, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1
    ) -> Node:
        return self.take(x, dim, range(x.shape[dim])[start:stop:step])

    def aten_select(self, x: Node, dim: int, index: int) -> Any:
        taken = self.take(x, dim, [index % x.shape[dim]])
        return self.view(taken, x.shape[:dim] + x.shape[dim:][1:])

    def aten_unbind(self, x: Node, dim: int = 0) -> list[Any]:
        return [self.aten_select(x, dim, index) for index in range(x.shape[dim])]

    def aten_split(self, x: Node, size: int, dim: int = 0) -> list[Node]:
        starts = range(0, x.shape[dim], size)
        return [self.aten_slice(x, dim, start, start + size) for start in starts]

    def aten_split_with_sizes(self, x: Node, sizes: Sequence[int], dim: int = 0) -> list[Node]:
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        pairs = zip(ends, sizes, strict=True)
        return [self.aten_slice(x, dim, end - size, end) for end, size in pairs]

    def aten_index_select(self, x: Node, dim: int, index: Any) -> Node:
        if not isinstance(index, Tensor):
            raise UntraceableError("There is no code for indices that are computed.")
        return self.take(x, dim, index.flatten().tolist())

    def aten_gather(self, x: Node, dim: int, index: Any) -> Node:
        if isinstance(index, Tensor):
            # The same everywhere else, as `expand` makes it.
            first = index.movedim(dim, 0).reshape(index.shape[dim], -1)[:, 0]
            taken = self.take(x, dim, first.tolist())
            if taken.shape == index.shape and (index.movedim(dim, -1) == first).all():
                return taken
        return self.make("gather", x, _from_end(x, dim), index)

    def aten_cat(self, parts: Sequence[Any], dim: int = 0) -> Node:
        parts = [part for part in parts if math.prod(part.shape)]
        return self.make("cat", parts, _from_end(self.result, dim))

    def aten_stack(self, parts: Sequence[Any], dim: int = 0) -> Node:
        shape = list(self.result.shape)
        shape[dim] = 1
        return self.aten_cat([self.view(part, shape) for part in parts], dim)

    def aten_mm(self, x: Any, y: Any) -> Node:
        return self.make("matmul", x, y)

    aten_bmm = aten_mm

    def aten_addmm(self, bias: Any, x: Any, y: Any) -> Node:
        return self.make("add", self.make("matmul", x, y), bias)

    aten_baddbmm = aten_addmm

    def aten_mean(self, x: Node, *settings: Any, **_: Any) -> Node:
        total = self.reduce("sum", x, *settings)
        return self.make("mul", total, total.size / x.size)

    def aten_linalg_vector_norm(self, x: Node, order: float = 2, *settings: Any) -> Node:
        if order != 2:
            raise UntraceableError("There is no code for norms but Euclid's.")
        squares = self.build.node("mul", x.shape, x.dtype, x, x)
        return self.make("sqrt", self.reduce("sum", squares, *settings))

    def aten_native_layer_norm(
        self, x: Node, shape: Any, weight: Any, bias: Any, eps: float
    ) -> list[Node]:
        if len(shape) != 1 or weight is not None or bias is not None:
            raise UntraceableError("There is no code for layer normalisation with weights.")
        return [self.build.node("layer_norm", x.shape, x.dtype, x, eps)]

    def aten_getitem(self, parts: list[Node], index: int) -> Node:
        if index >= len(parts):
            raise UntraceableError("There is no code for the statistics of a normalisation.")
        return parts[index]


def _from_end(x: Node | Tensor, dim: int) -> int:
    return dim if dim < 0 else dim - len(x.shape)
