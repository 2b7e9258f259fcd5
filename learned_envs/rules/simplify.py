"""Operations that are something simpler: exactly, for every number, or not at all.

So x - x is not 0, because x may be infinite; x + 0 is not x, because of -0.0; and the opposite of
x < y is not x >= y, because of NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from learned_envs.rules.assumption import assumed
from learned_envs.rules.operation import ELEMENTWISE
from learned_envs.rules.shape import Shape

if TYPE_CHECKING:
    from learned_envs.rules.builder import GraphBuilder


def simpler(
    build: GraphBuilder, op: str, args: Sequence[int], data: Any, shape: Shape
) -> int | None:
    """Return a node of the same value, or None.

    Args:
        build: where the node is to be.
        op: the operation.
        args: what it is applied to, not all of it constants.
        data: what else it has.
        shape: of the result.
    """
    rule = _RULES.get(op)
    found = rule(build, args, data, shape) if rule else None
    return None if found is None else build.expand(found, shape)


def _number(build: GraphBuilder, x: int) -> Any:
    """Return the number of a constant that is one number, or None."""
    node = build[x]
    return node.data if node.op == "constant" and not isinstance(node.data, tuple) else None


def _is(build: GraphBuilder, x: int, wanted: float | bool) -> bool:
    # As text, because 0.0 is neither -0.0 nor False.
    return repr(_number(build, x)) == repr(wanted)


def _neutral(number: float, either: bool) -> _Rule:
    def rule(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
        x, y = args
        if _is(build, y, number):
            return x
        return y if either and _is(build, x, number) else None

    return rule


def _pow(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    x, exponent = args
    if _is(build, exponent, 2.0):
        return build.add("mul", x, x)
    return x if _is(build, exponent, 1.0) else None


def _twice(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    inner = build[args[0]]
    opposite = "bitwise_not" if inner.kind == "bool" else "neg"
    return inner.args[0] if inner.op == opposite else None


def _same(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    return args[0] if args[0] == args[1] else None


def _logical(neutral: bool) -> _Rule:
    """Return the rule of `and`, where True changes nothing, or of `or`, where False does not."""

    def rule(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
        x, y = args
        for one, other in ((x, y), (y, x)):
            if one == other or _is(build, one, neutral):
                return other
            if _is(build, one, not neutral):
                return one
            if build[one].op == "bitwise_not" and build[one].args[0] == other:
                return build.constant(not neutral)
        return None

    return rule


def _where(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    mask, yes, no = args
    known = _number(build, mask)
    if known is not None or yes == no:
        return yes if known or yes == no else no
    if build[mask].op == "bitwise_not":
        return build.where(build[mask].args[0], no, yes)
    if build[mask].size == 1:
        sides = tuple(assumed(build, side, mask, side == yes) for side in (yes, no))
        if sides != (yes, no):
            return build.where(mask, *sides)
        if (found := _drawn_out(build, mask, yes, no)) is not None:
            return found
    if build[yes].op == "where" and build[yes].args[0] == mask:
        return build.where(mask, build[yes].args[1], no)
    if build[no].op == "where" and build[no].args[0] == mask:
        return build.where(mask, yes, build[no].args[2])
    if _is(build, yes, True):
        return build.add("bitwise_or", mask, no)
    if _is(build, no, False):
        return build.add("bitwise_and", mask, yes)
    if _is(build, yes, False):
        return build.add("bitwise_and", build.add("bitwise_not", mask), no)
    if _is(build, no, True):
        return build.add("bitwise_or", build.add("bitwise_not", mask), yes)
    return None


def _drawn_out(build: GraphBuilder, mask: int, yes: int, no: int) -> int | None:
    """Choose between operands in the place of results, if these differ in one operand."""
    one, other = build[yes], build[no]
    if one.op != other.op or one.data != other.data or len(one.args) != len(other.args):
        return None
    if one.op not in ELEMENTWISE and one.op not in ("cast", "cat", "view"):
        return None
    differ = [
        place
        for place, pair in enumerate(zip(one.args, other.args, strict=True))
        if len({*pair}) > 1
    ]
    if len(differ) != 1:
        return None
    pair = one.args[differ[0]], other.args[differ[0]]
    if build[pair[0]].shape != build[pair[1]].shape or build[pair[0]].kind != build[pair[1]].kind:
        return None
    chosen = build.where(build.view(mask, ()), *pair)
    args = [chosen if place == differ[0] else arg for place, arg in enumerate(one.args)]
    return build.add(one.op, *args, data=one.data, shape=one.shape)


def _compare(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    """Return what was asked already, if true is compared with 0 as if it were 1."""
    x, y = args
    cast = build[x].op == "cast" and _is(build, y, 0.0)
    return build[x].args[0] if cast else None


def _view(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    x = build[args[0]]
    if x.shape == shape:
        return args[0]
    return build.view(x.args[0], shape) if x.op == "view" else None


def _expand(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    return args[0] if build[args[0]].shape == shape else None


def _permute(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    x = build[args[0]]
    if list(data) == sorted(data):
        return args[0]
    inner: Any = x.data
    return build.permute(x.args[0], [inner[d] for d in data]) if x.op == "permute" else None


def _take(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    (dim, indices), x = data, build[args[0]]
    inner: Any = x.data
    if indices == tuple(range(x.shape[dim])):
        return args[0]
    if x.op == "take" and inner[0] == dim:
        return build.take(x.args[0], dim, [inner[1][index] for index in indices])
    if x.op == "cat" and inner == dim:
        start = 0
        for part in x.args:
            size = build[part].shape[dim]
            if all(start <= index < start + size for index in indices):
                return build.take(part, dim, [index - start for index in indices])
            start += size
    return None


def _cat(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    parts = _joined(build, _unpacked(build, args, data), data)
    if len(parts) == 1:
        return parts[0]
    return None if parts == list(args) else build.make("cat", *parts, data=data)


def _unpacked(build: GraphBuilder, args: Sequence[int], dim: int) -> list[int]:
    """Return the parts of parts, without empty ones."""
    parts = list[int]()
    for arg in args:
        if build[arg].op == "cat" and build[arg].data == dim:
            parts.extend(build[arg].args)
        elif build[arg].shape[dim]:
            parts.append(arg)
    return parts


def _joined(build: GraphBuilder, args: Sequence[int], dim: int) -> list[int]:
    """Make one of neighbours that are constants, or that are taken from one array."""
    parts = list[int]()
    for arg in args:
        last, node = build[parts[-1]] if parts else None, build[arg]
        if last is None or last.op != node.op:
            parts.append(arg)
        elif node.op == "constant":
            parts[-1] = build.add("cat", parts[-1], arg, data=dim)
        elif node.op == "take" and last.args == node.args and _dim(last) == _dim(node) == dim:
            indices = [*last.data[1], *node.data[1]]  # type: ignore[index, misc]
            parts[-1] = build.take(node.args[0], dim, indices)
        else:
            parts.append(arg)
    return parts


def _dim(node: Any) -> int:
    return int(node.data[0])


def _reduce(build: GraphBuilder, args: Sequence[int], data: Any, shape: Shape) -> int | None:
    x = build[args[0]]
    return build.view(args[0], shape) if all(x.shape[dim] == 1 for dim in data) else None


_Rule = Callable[["GraphBuilder", Sequence[int], Any, Shape], int | None]

_RULES: dict[str, _Rule] = {
    "sub": _neutral(0.0, either=False),
    "mul": _neutral(1.0, either=True),
    "div": _neutral(1.0, either=False),
    "pow": _pow,
    "ne": _compare,
    "neg": _twice,
    "bitwise_not": _twice,
    "maximum": _same,
    "minimum": _same,
    "bitwise_and": _logical(True),
    "bitwise_or": _logical(False),
    "where": _where,
    "view": _view,
    "expand": _expand,
    "permute": _permute,
    "take": _take,
    "cat": _cat,
    **dict.fromkeys(("sum", "prod", "amax", "amin", "all", "any"), _reduce),
}
