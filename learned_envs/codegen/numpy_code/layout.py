"""The numpy code of torch's operations that choose, arrange and join, and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from learned_envs.codegen.numpy_code.writer import (
    Operand,
    Shape,
    Value,
    Writer,
    scaled,
    shape_of,
    shifted,
    without_ones,
)
from learned_envs.errors import UntraceableError


def view(writer: Writer, node: fx.Node, x: Value, *_: Any) -> Value:
    """Give an array another shape: often none that the code would know of."""
    wanted = shape_of(node)
    if x.shape == wanted:
        return x
    if math.prod(x.shape) != math.prod(wanted):
        x = writer.whole(node.args[0])
    return writer.emit(writer.name(x), x.shape, wanted)


def same(writer: Writer, node: fx.Node, x: Value, *_: Any, **__: Any) -> Value:
    """Return the array itself: numpy broadcasts by itself what torch expands."""
    return x


def part(writer: Writer, x: Value, axis: int, indices: Sequence[int], wanted: Shape) -> Value:
    """Take what is at constant indices along an axis counted from the end."""
    place, first, size = len(x.shape) + axis, indices[0], len(indices)
    run = list(indices) == list(range(first, first + size))
    if place < 0 or (run and size == x.shape[place]):
        return x if x.shape == wanted else writer.emit(writer.name(x), x.shape, wanted)
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


def select(writer: Writer, node: fx.Node, x: Value, dim: int, index: int) -> Value:
    """Take one index along a dimension."""
    shape, axis = source(node, dim)
    index %= shape[axis]
    return part(writer, x, axis, [index], shape_of(node))


def cut(
    writer: Writer,
    node: fx.Node,
    x: Value,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Value:
    """Take a slice along a dimension."""
    shape, axis = source(node, dim)
    start, stop, step = slice(start, stop, step).indices(shape[axis])
    if step != 1:
        raise UntraceableError("There is no numpy code for slices with steps.")
    return part(writer, x, axis, range(start, stop), shape_of(node))


def unbind(writer: Writer, node: fx.Node, x: Value, dim: int = 0) -> list[Value]:
    """Take every index along a dimension."""
    shape, axis = source(node, dim)
    left = shape[:axis] + shape[axis + 1 :] if axis != -1 else shape[:-1]
    return [part(writer, x, axis, [i], without_ones(left)) for i in range(shape[axis])]


def getitem(writer: Writer, node: fx.Node, parts: list[Value], index: int) -> Value:
    """Take one of several results."""
    if index >= len(parts):
        raise UntraceableError("There is no numpy code for the statistics of a normalisation.")
    return parts[index]


def index_select(writer: Writer, node: fx.Node, x: Value, dim: int, index: Operand) -> Value:
    """Take constant indices along a dimension."""
    if not isinstance(index, Tensor):
        raise UntraceableError("There is no numpy code for indices that are computed.")
    return part(writer, x, source(node, dim)[1], index.tolist(), shape_of(node))


def gather(writer: Writer, node: fx.Node, x: Value, dim: int, index: Operand) -> Value:
    """Take the same constant index everywhere along a dimension."""
    if not isinstance(index, Tensor) or (index != index.flatten()[0]).any():
        raise UntraceableError("There is no numpy code for indices that are computed.")
    return part(writer, x, source(node, dim)[1], [int(index.flatten()[0])], shape_of(node))


def concatenate(writer: Writer, node: fx.Node, parts: Sequence[Operand], dim: int = 0) -> Value:
    """Put arrays one behind the other along a dimension."""
    axis = dim if dim < 0 else dim - node.meta["val"].ndim
    sources: Any = node.args[0]
    arrays = [writer.whole(source) for source in sources if 0 not in shape_of(source)]
    rank = max(-axis, *(len(array.shape) for array in arrays))
    shapes = [(1,) * (rank - len(array.shape)) + array.shape for array in arrays]
    names = [
        writer.emit(a.name, a.shape, s).name if s != a.shape else a.name
        for a, s in zip(arrays, shapes, strict=True)
    ]
    if len(names) == 1:
        return arrays[0]
    size = sum(shape[axis] for shape in shapes)
    shape = tuple(size if i == rank + axis else s for i, s in enumerate(shapes[0]))
    where = "" if rank == 1 else f", {axis}"
    return writer.emit(f"np.concatenate(({', '.join(names)}){where})", shape, shape_of(node))


def stack(writer: Writer, node: fx.Node, parts: Sequence[Operand], dim: int = 0) -> Value:
    """Put arrays one behind the other along a new dimension."""
    sources: Any = node.args[0]
    shape, arrays = shape_of(node), [writer.whole(source) for source in sources]
    if dim not in (-1, node.meta["val"].ndim - 1):
        raise UntraceableError("There is no numpy code for stacks but along the last dimension.")
    names = ", ".join(array.name for array in arrays)
    if len(shape) == 1:
        return writer.emit(f"np.concatenate(({names}))", shape)
    return writer.emit(f"np.stack(({names}), -1)", (*arrays[0].shape, len(arrays)), shape)


def source(node: fx.Node, dim: int) -> tuple[Shape, int]:
    """Return the shape of a node's first argument, and a dimension of it counted from the end."""
    shape = tuple(node.args[0].meta["val"].shape)  # type: ignore[union-attr]
    return shape, dim if dim < 0 else dim - len(shape)
