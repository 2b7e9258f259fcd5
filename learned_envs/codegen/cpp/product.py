"""The C++ code of matrix products, and how their weights lie in memory."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.codegen.cpp.writer import Operand, Value, Writer, index_of, shape_of
from learned_envs.codegen.graph import Node, Shape

SMALL = 8
"""Rows or columns up to which matrices are small: transforms of bodies have four."""

TILE_ROWS, TILE_COLUMNS = 32, 16
"""The size of weights in bfloat16 in one of the processor's tile registers."""


def matmul(writer: Writer, node: Node, x: Operand, y: Operand) -> Value:
    """Write the product of (m, k) and (k, n), or of as many such pairs as a first dimension has."""
    if shape_of(y)[-2] <= SMALL and (not isinstance(y, Tensor) or y.shape[-1] <= SMALL):
        return _as_sums(writer, x, y, node.shape)
    if isinstance(y, Tensor):
        return _with_weights(writer, writer.stored(x), y, node.shape)
    if isinstance(x, Tensor):
        return _of_constants(writer, x, writer.stored(y), node.shape)
    x, y = writer.stored(x), writer.stored(y)
    left, right = index_of(x)[..., None, :], index_of(y).mT[..., None, :, :]
    left, right = left + torch.zeros_like(right), right + torch.zeros_like(left)
    product, count = writer.new(node.size), left.shape[-1]
    first, second = f"{x.name}, {writer.table(left)}", f"{y.name}, {writer.table(right)}"
    writer.line(f"products({first}, {second}, {product}, {node.size}, {count});")
    return Value(node.shape, False, product, torch.arange(node.size).reshape(node.shape))


def _of_constants(writer: Writer, x: Tensor, y: Value, shape: Shape) -> Value:
    """Write the product of constants with what is computed, but for the constants that are zero.

    Most are, where rows say which degrees of freedom move a body.
    """
    right = index_of(y).mT[..., None, :, :]
    left = x.float()[..., None, :].expand(*right.shape[:-3], -1, right.shape[-2], -1)
    right = right.expand(left.shape).reshape(-1, left.shape[-1])
    left = left.reshape(right.shape)
    product = writer.new(len(left))
    rows = [(own[own != 0], other[own != 0]) for own, other in zip(left, right, strict=True)]
    ends = torch.tensor([len(own) for own, _ in rows]).cumsum(0)
    weights = writer.constant("c", torch.cat([own for own, _ in rows]).numpy())
    places = torch.cat([other for _, other in rows])
    tables = f"{writer.table(places)}, {writer.table(ends)}"
    writer.line(f"sums({weights}, {y.name}, {tables}, {product}, {len(left)});")
    return Value(shape, False, product, torch.arange(len(left)).reshape(shape))


def _as_sums(writer: Writer, x: Operand, y: Operand, shape: Shape) -> Value:
    """Write the product of small matrices as one sum of products for each of its numbers."""
    code = ""
    for place in range(shape_of(y)[-2]):
        own = writer.term(_part(writer, x, -1, place), shape)
        other = writer.term(_part(writer, y, -2, place), shape)
        code = f"fmadd({own}, {other}, {code})" if code else f"({own} * {other})"
    return Value(shape, code=code)


def _part(writer: Writer, x: Operand, dim: int, place: int) -> Operand:
    """Return a column or a row of matrices."""
    if isinstance(x, Tensor):
        return x.narrow(dim, place, 1)
    x = writer.stored(x)
    index = index_of(x).narrow(dim, place, 1)
    return Value(tuple(index.shape), False, x.name, index)


def _with_weights(writer: Writer, x: Value, weight: Tensor, shape: Shape) -> Value:
    """Write the product with matrices that are known beforehand."""
    every, (k, n) = weight.reshape(-1, *weight.shape[-2:]), weight.shape[-2:]
    tiled, form = weight.dtype is torch.bfloat16 and writer.form.tiles, writer.form
    halves = form.alone and weight.dtype is torch.bfloat16
    unit = TILE_COLUMNS if tiled else form.block * (2 if halves else 1)
    padded, rows = -(-n // unit) * unit, index_of(x).reshape(-1, k)
    y, sources = writer.new(len(rows) * padded), dict[tuple[int, ...], str]()
    for number, row in enumerate(rows):
        key = tuple(row.tolist())
        if key not in sources:
            sources[key] = writer.address(Value((k,), False, x.name, row))
        own, source = every[number * len(every) // len(rows)], sources[key]
        start = number * padded
        if tiled:
            weights = writer.constant("h", _in_tiles(own))
            writer.line(f"product16<{k}, {n}>({weights}, {source}, {y} + {start});")
            continue
        own = torch.nn.functional.pad(own.float(), (0, padded - n))
        if not form.alone:
            weights = writer.constant("c", _in_blocks(own, unit))
            writer.line(f"product<{unit}>({weights}, {source}, {y} + {start}, {k}, {padded});")
            continue
        for columns in torch.split(own, form.abreast * form.block, 1):
            blocks = columns.shape[1] // form.block
            if halves:
                weights = writer.constant("h", _in_words(columns, form.block))
            else:
                weights = writer.constant("c", columns.numpy())
            writer.line(f"product<{blocks}>({weights}, {source}, {y} + {start}, {k});")
            start += columns.shape[1]
    index = torch.arange(len(rows))[:, None] * padded + torch.arange(n)
    return Value(shape, False, y, index.reshape(shape))


def _in_blocks(weight: Tensor, block: int) -> NDArray[np.float32]:
    """Lay (k, n) weights out as (n / block, k, block)."""
    blocks: NDArray[np.float32] = weight.reshape(len(weight), -1, block).transpose(0, 1).numpy()
    return blocks


def _in_words(weight: Tensor, block: int) -> NDArray[np.int16]:
    """Lay (k, n) weights out as words, (k, n / (2 block), block), of two in bfloat16 each."""
    pairs = weight.bfloat16().reshape(len(weight), -1, 2, block).view(torch.int16)
    # The first of a pair is the upper half of its word, which a processor has behind the lower.
    bits: NDArray[np.int16] = pairs.flip(2).transpose(2, 3).contiguous().numpy()
    return bits


def _in_tiles(weight: Tensor) -> NDArray[np.int16]:
    """Lay (k, n) weights out as tiles, (n / 16, k / 32, 16, 32), of their transpose."""
    k, n = weight.shape
    padded = torch.nn.functional.pad(weight.T, (0, -k % TILE_ROWS, 0, -n % TILE_COLUMNS))
    tiles = padded.reshape(-1, TILE_COLUMNS, padded.shape[1] // TILE_ROWS, TILE_ROWS)
    bits: NDArray[np.int16] = tiles.transpose(1, 2).contiguous().view(torch.int16).numpy()
    return bits
