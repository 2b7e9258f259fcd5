"""Products and norms: what numpy's functions of linear algebra are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.lowered import lowers
from learned_envs.rules.tracing.refusal import refusal

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer


@lowers(np.dot)
def _dot(tracer: Tracer, a: Any, b: Any) -> Any:
    x, y = tracer.lift(a), tracer.lift(b)
    if not x.ndim or not y.ndim:
        return x * y
    if x.ndim == y.ndim == 1:
        return np.sum(x * y)
    if y.ndim > 2:
        return np.tensordot(x, y, ((-1,), (-2,)))
    left = x.reshape(-1, x.shape[-1])
    right = y.reshape(y.shape[0], -1)
    node = tracer.builder.add("matmul", tracer.number(left), tracer.number(right))
    product = tracer.made(node, np.matmul(left.example, right.example))
    return product.reshape(x.shape[:-1] + y.shape[1:])


@lowers(np.inner)
def _inner(tracer: Tracer, a: Any, b: Any) -> Any:
    x, y = tracer.lift(a), tracer.lift(b)
    return np.tensordot(x, y, ((-1,), (-1,))) if x.ndim and y.ndim else x * y


@lowers(np.vdot)
def _vdot(tracer: Tracer, a: Any, b: Any) -> Any:
    return np.sum(tracer.lift(a).ravel() * tracer.lift(b).ravel())


@lowers(np.linalg.vecdot)
def _vecdot(tracer: Tracer, x1: Any, x2: Any, axis: int = -1) -> Any:
    return np.sum(tracer.lift(x1) * tracer.lift(x2), axis)


@lowers(np.linalg.matmul)
def _matmul(tracer: Tracer, x1: Any, x2: Any) -> Any:
    return np.matmul(tracer.lift(x1), tracer.lift(x2))


@lowers(np.outer, np.linalg.outer)
def _outer(tracer: Tracer, a: Any, b: Any) -> Any:
    return tracer.lift(a).reshape(-1, 1) * tracer.lift(b).reshape(1, -1)


@lowers(np.tensordot)
def _tensordot(tracer: Tracer, a: Any, b: Any, axes: Any = 2) -> Any:
    x, y = tracer.lift(a), tracer.lift(b)
    if isinstance(axes, int):
        axes = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    first, second = (
        [axis % z.ndim for axis in np.atleast_1d(each)] for z, each in ((x, axes[0]), (y, axes[1]))
    )
    kept = [axis for axis in range(x.ndim) if axis not in first]
    other = [axis for axis in range(y.ndim) if axis not in second]
    inner = int(np.prod([x.shape[axis] for axis in first]))
    left = x.transpose(kept + first).reshape(-1, inner)
    right = y.transpose(second + other).reshape(inner, -1)
    shape = [x.shape[axis] for axis in kept] + [y.shape[axis] for axis in other]
    return _dot(tracer, left, right).reshape(shape)[()]


@lowers(np.einsum)
def _einsum(tracer: Tracer, subscripts: Any, *operands: Any, **_: Any) -> Any:
    inputs, arrow, output = str(subscripts).replace(" ", "").partition("->")
    terms = inputs.split(",")
    letters = sorted(set("".join(terms)))
    twice = any(len(set(term)) != len(term) for term in terms)
    if not isinstance(subscripts, str) or "." in inputs or twice:
        raise refusal("np.einsum in this form", "write it with np.dot, np.sum and products")
    if not arrow:
        output = "".join(letter for letter in letters if inputs.count(letter) == 1)
    order = output + "".join(letter for letter in letters if letter not in output)
    product: Any = 1.0
    for term, operand in zip(terms, operands, strict=True):
        array = tracer.lift(operand)
        places = [term.index(letter) for letter in order if letter in term]
        sizes = dict(zip(term, array.shape, strict=True))
        shape = [sizes.get(letter, 1) for letter in order]
        product = product * array.transpose(places).reshape(shape)
    return np.sum(product, tuple(range(len(output), len(order))))


@lowers(np.cross, np.linalg.cross)
def _cross(tracer: Tracer, a: Any, b: Any, *axes: Any, **options: Any) -> Any:
    axis = options.pop("axis", None)
    x, y = tracer.lift(a), tracer.lift(b)
    axis = -1 if axis is None else axis
    if axes or options or x.shape[axis] != 3 or y.shape[axis] != 3:
        raise refusal("np.cross in this form", "use vectors of three numbers")
    first, second = ([np.moveaxis(z, axis, 0)[place] for place in range(3)] for z in (x, y))
    parts = [
        first[(k + 1) % 3] * second[(k + 2) % 3] - first[(k + 2) % 3] * second[(k + 1) % 3]
        for k in range(3)
    ]
    return np.stack(parts, axis)


@lowers(np.trace, np.linalg.trace)
def _trace(tracer: Tracer, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(np.diagonal(tracer.lift(a), offset, axis1, axis2), -1)


@lowers(np.linalg.norm)
def _norm(tracer: Tracer, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = tracer.lift(x)
    flat = isinstance(axis, int) or (axis is None and x.ndim == 1)
    if ord is None or (ord == 2 and flat) or (ord == "fro" and not flat):
        return np.sqrt(np.sum(x * x, axis, keepdims=keepdims))
    if not flat:
        raise refusal(f"np.linalg.norm of a matrix with ord={ord!r}", "give an axis")
    size = np.abs(x)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(x != 0, axis, keepdims=keepdims) * 1.0
    if ord == 1:
        return np.sum(size, axis, keepdims=keepdims)
    return np.sum(size**ord, axis, keepdims=keepdims) ** (1.0 / ord)


@lowers(np.linalg.vector_norm)
def _vector_norm(
    tracer: Tracer, x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2
) -> Any:
    x = tracer.lift(x)
    return _norm(tracer, x.ravel() if axis is None else x, ord, axis, keepdims)
