"""What an operation gives: the shape and the kind of its result, or why it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from learned_envs.errors import RulesError
from learned_envs.rules.operation import ELEMENTWISE, OPERATIONS, REDUCTIONS, Kind

if TYPE_CHECKING:
    from learned_envs.rules.graph import Node

Shape = tuple[int, ...]

MOST_DIMENSIONS = 6
"""Of one array, without those of a batch."""


def inferred(op: str, args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    """Return the shape and the kind of what an operation gives.

    Args:
        op: the operation.
        args: what it is applied to.
        data: what else it has; see `operation.py`.
        shape: asked for, where the rest does not say it: input, constant, view, expand.

    Raises:
        RulesError: if there is no such operation, or it cannot be applied to these.
    """
    if op not in OPERATIONS:
        raise RulesError(f"Got the operation {op!r}, expected one of {sorted(OPERATIONS)}.")
    if op in ELEMENTWISE:
        known = ELEMENTWISE[op]
        _expect(op, args, [known.takes] * known.operands)
        _expect_data(op, data is None, data, "none")
        return broadcast(op, args), known.gives
    if op in REDUCTIONS:
        _expect(op, args, [REDUCTIONS[op].takes])
        if op in ("amax", "amin") and 0 in args[0].shape:
            raise RulesError(f"Got {op} of {args[0].shape}, expected some numbers.")
        kept = set(range(-len(args[0].shape), 0)) - set(_dims(op, data, args[0].shape))
        return tuple(args[0].shape[dim] for dim in sorted(kept)), REDUCTIONS[op].gives
    return _RULES[op](args, data, shape)


def broadcast(op: str, args: Sequence[Node]) -> Shape:
    """Return the shape that arrays have together, which have as many dimensions.

    Raises:
        RulesError: if they do not fit. A constant of no dimensions fits everything.
    """
    arrays = [x.shape for x in args if x.shape or x.op != "constant"]
    if len({len(shape) for shape in arrays}) > 1:
        raise RulesError(f"Got {op} of {_told(args)}, expected as many dimensions in each.")
    sizes = [{size for size in column if size != 1} for column in zip(*arrays, strict=True)]
    if any(len(each) > 1 for each in sizes):
        raise RulesError(f"Got {op} of {_told(args)}, expected sizes that are equal or 1.")
    return tuple(next(iter(each), 1) for each in sizes)


def _input(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("input", args, [])
    _expect_data("input", isinstance(data, str) and 0 < len(data) <= 200, data, "a name")
    return _asked("input", shape), "float"


def _constant(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("constant", args, [])
    shape = _asked("constant", shape)
    numbers = data if isinstance(data, tuple) else (data,)
    kinds = {_kind_of(number) for number in numbers}
    fits = not isinstance(data, tuple) or len(data) == math.prod(shape)
    one = len(kinds) == 1 or (not numbers and isinstance(data, tuple))
    wanted = "one number, or as many as the shape has, all true or false or all floats"
    _expect_data("constant", fits and one and None not in kinds, data, wanted)
    return shape, kinds.pop() or "float" if kinds else "float"


def _where(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    kind = args[-1].kind if args else "float"
    _expect("where", args, ["bool", kind, kind])
    _expect_data("where", data is None, data, "none")
    return broadcast("where", args), kind


def _cast(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("cast", args, ["bool"])
    _expect_data("cast", data is None, data, "none")
    return args[0].shape, "float"


def _view(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("view", args, [None])
    _expect_data("view", data is None, data, "none")
    shape = _asked("view", shape)
    if math.prod(shape) != math.prod(args[0].shape):
        raise RulesError(f"Got a view of {args[0].shape} as {shape}, expected as many numbers.")
    return shape, args[0].kind


def _expand(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("expand", args, [None])
    _expect_data("expand", data is None, data, "none")
    old, new = args[0].shape, _asked("expand", shape)
    if len(old) != len(new) or any(x not in (1, y) for x, y in zip(old, new, strict=True)):
        raise RulesError(f"Got {old} expanded to {new}, expected sizes that are equal or were 1.")
    return new, args[0].kind


def _permute(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("permute", args, [None])
    old = args[0].shape
    if sorted(_dims("permute", data, old, ordered=False)) != list(range(-len(old), 0)):
        raise RulesError(f"Got permute of {old} to {data}, expected each dimension once.")
    return tuple(old[dim] for dim in data), args[0].kind


def _take(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("take", args, [None])
    pair = isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], tuple)
    _expect_data("take", pair, data, "a dimension and indices")
    new = list(args[0].shape)
    (dim,) = _dims("take", data[:1], args[0].shape)
    known = all(_whole(index) and 0 <= index < new[dim] for index in data[1])
    _expect_data("take", known, data, f"indices from 0 to {new[dim] - 1}")
    new[dim] = len(data[1])
    return tuple(new), args[0].kind


def _cat(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("cat", args, [args[0].kind if args else None] * max(len(args), 1))
    new = list(args[0].shape)
    (dim,) = _dims("cat", (data,), args[0].shape)
    for other in args[1:]:
        same = len(other.shape) == len(new)
        rest = [list(x.shape) for x in (args[0], other)] if same else []
        for each in rest:
            del each[dim]
        if not same or rest[0] != rest[1]:
            raise RulesError(f"Got cat of {_told(args)}, expected equal sizes but along {dim}.")
    new[dim] = sum(x.shape[dim] for x in args)
    return tuple(new), args[0].kind


def _matmul(args: Sequence[Node], data: Any, shape: Shape | None) -> tuple[Shape, Kind]:
    _expect("matmul", args, ["float", "float"])
    _expect_data("matmul", data is None, data, "none")
    x, y = args[0].shape, args[1].shape
    if len(x) != len(y) or len(x) < 2 or x[:-2] != y[:-2] or x[-1] != y[-2]:
        raise RulesError(f"Got matmul of {_told(args)}, expected (..., m, k) and (..., k, n).")
    return (*x[:-1], y[-1]), "float"


_RULES: dict[str, Callable[[Sequence[Node], Any, Shape | None], tuple[Shape, Kind]]] = {
    "input": _input,
    "constant": _constant,
    "where": _where,
    "cast": _cast,
    "view": _view,
    "expand": _expand,
    "permute": _permute,
    "take": _take,
    "cat": _cat,
    "matmul": _matmul,
}


def _expect(op: str, args: Sequence[Node], kinds: Sequence[Kind | None]) -> None:
    fits = len(args) == len(kinds)
    if not fits or any(k not in (None, x.kind) for x, k in zip(args, kinds, strict=True)):
        wanted = ", ".join(kind or "any" for kind in kinds) or "none"
        raise RulesError(f"Got {op} of {_told(args)}, expected operands: {wanted}.")


def _expect_data(op: str, good: bool, data: Any, wanted: str) -> None:
    if not good:
        raise RulesError(f"Got {op} with data {data!r:.100}, expected {wanted}.")


def _asked(op: str, shape: Shape | None) -> Shape:
    if shape is None or len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise RulesError(
            f"Got {op} of shape {shape}, expected at most {MOST_DIMENSIONS} sizes, none below 0."
        )
    return shape


def _dims(op: str, data: Any, shape: Shape, ordered: bool = True) -> tuple[int, ...]:
    """Check that data is dimensions of a shape, each of them once."""
    known = isinstance(data, tuple) and all(_whole(d) and -len(shape) <= d < 0 for d in data)
    good = known and list(data) == sorted(set(data)) if ordered else known
    _expect_data(op, good, data, f"dimensions from {-len(shape)} to -1, in order")
    return tuple(data)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _kind_of(number: object) -> Kind | None:
    if isinstance(number, bool):
        return "bool"
    named = isinstance(number, str) and number in ("inf", "-inf", "nan")
    return "float" if named or (isinstance(number, float) and math.isfinite(number)) else None


def _told(args: Sequence[Node]) -> str:
    return ", ".join(f"{x.kind} {x.shape}" for x in args) or "nothing"
