"""What numpy's other functions are made of: those of its `__array_function__`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing import ordering, products  # noqa: F401
from learned_envs.rules.tracing.lowered import LOWERED
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.traced import Traced, traced

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer

Function = Callable[..., Any]

FIRST = {
    *(np.reshape, np.ravel, np.transpose, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis),
    *(np.broadcast_to, np.tile, np.repeat, np.take, np.flip, np.fliplr, np.flipud, np.roll),
    *(np.rot90, np.diagonal, np.diag, np.diagflat, np.tril, np.triu, np.delete, np.rollaxis),
    *(np.split, np.array_split, np.hsplit, np.vsplit, np.atleast_1d, np.atleast_2d),
    *(np.atleast_3d, np.resize, np.matrix_transpose),
}
"""Functions that move numbers of their first argument, and have none of their own but zeros."""

VIEWS = {
    *(np.reshape, np.ravel, np.transpose, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis),
    *(np.flip, np.fliplr, np.flipud, np.diagonal, np.split, np.array_split, np.hsplit, np.vsplit),
    *(np.atleast_1d, np.atleast_2d, np.rollaxis, np.rot90),
}
"""Those that show the same memory, where numpy can."""

JOINED = {
    *(np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.block),
    *(np.append, np.broadcast_arrays),
}
"""Functions that move numbers of all the arrays that they are given."""


def called(tracer: Tracer, function: Function, args: Any, options: dict[str, Any]) -> Any:
    """Write down a call of one of numpy's functions, with traced arrays among its arguments.

    Raises:
        UntraceableRulesError: if it is not known here.
    """
    options = {key: value for key, value in options.items() if value is not np._NoValue}
    out = options.pop("out", None)
    dtype = options.pop("dtype", None)
    if isinstance(function, np.ufunc):
        result = function(*[tracer.lift(x) if traced(x) else x for x in args], **options)
    elif function in FIRST:
        result = _moved(tracer, function, args, options)
    elif function in JOINED:
        result = _joined(tracer, function, args, options)
    elif function in LOWERED:
        with np.errstate(all="ignore"):
            result = LOWERED[function](tracer, *args, **options)
    else:
        name = f"{function.__module__}.{function.__name__}"
        raise refusal(
            f"{name} of a value that depends on the state or the action",
            "write it with sums, products, np.where, np.dot, np.linalg.norm, indices, ...",
        )
    if dtype is not None and isinstance(result, Traced):
        result = tracer.cast(result, np.dtype(dtype))
    if out is not None:
        out[...] = result
        return out
    return result


def _moved(tracer: Tracer, function: Function, args: Any, options: dict[str, Any]) -> Any:
    if not args:
        first = next(iter(inspect.signature(function).parameters))
        args = (options.pop(first),)
    array = tracer.lift(args[0])
    if function not in VIEWS:
        return tracer.structural(function, (array,), *args[1:], **options)
    found = function(array.ids, *args[1:], **options)
    if isinstance(found, list | tuple):
        return type(found)(array.seen(part) for part in found)
    return array.seen(found)


def _joined(tracer: Tracer, function: Function, args: Any, options: dict[str, Any]) -> Any:
    arrays = 2 if function is np.append else len(args) if function is np.broadcast_arrays else 1
    options.pop("casting", None)
    return tracer.structural(function, args[:arrays], *args[arrays:], **options)
