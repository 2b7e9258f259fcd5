"""The operations that rules are made of: a closed list, and what numpy calls each.

Those of one number are as in `codegen/operations.py`, and mean what numpy means in float64: a
remainder has the sign of its divisor, rounding is to the even one of two neighbours, and NaN is
handed on by maximum and minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["float", "bool"]
"""What the numbers of an array are. Integers are floats."""


@dataclass(frozen=True)
class Operation:
    """What is done to each number by itself, or over some dimensions.

    Attributes:
        numpy: the function.
        takes: the kind of its operands.
        gives: the kind of its result.
        operands: how many there are.
    """

    numpy: Callable[..., Any]
    takes: Kind = "float"
    gives: Kind = "float"
    operands: int = 1


def _numbers(operands: int, **functions: Callable[..., Any]) -> dict[str, Operation]:
    return {name: Operation(each, operands=operands) for name, each in functions.items()}


def _asked(operands: int, **functions: Callable[..., Any]) -> dict[str, Operation]:
    return {
        name: Operation(each, gives="bool", operands=operands) for name, each in functions.items()
    }


ELEMENTWISE = {
    **_numbers(
        2,
        add=np.add,
        sub=np.subtract,
        mul=np.multiply,
        div=np.divide,
        pow=np.power,
        maximum=np.maximum,
        minimum=np.minimum,
        atan2=np.arctan2,
        remainder=np.remainder,
    ),
    **_numbers(
        1,
        neg=np.negative,
        abs=np.abs,
        sign=np.sign,
        floor=np.floor,
        ceil=np.ceil,
        round=np.rint,
        sqrt=np.sqrt,
        exp=np.exp,
        log=np.log,
        sin=np.sin,
        cos=np.cos,
        tan=np.tan,
        asin=np.arcsin,
        acos=np.arccos,
        atan=np.arctan,
        sinh=np.sinh,
        cosh=np.cosh,
        tanh=np.tanh,
    ),
    **_asked(1, isfinite=np.isfinite, isnan=np.isnan),
    **_asked(
        2,
        lt=np.less,
        le=np.less_equal,
        gt=np.greater,
        ge=np.greater_equal,
        eq=np.equal,
        ne=np.not_equal,
    ),
    "bitwise_not": Operation(np.logical_not, "bool", "bool"),
    "bitwise_and": Operation(np.logical_and, "bool", "bool", 2),
    "bitwise_or": Operation(np.logical_or, "bool", "bool", 2),
}
"""What is done to each number by itself. Shapes have as many dimensions, of equal sizes or 1."""

REDUCTIONS = {
    **_numbers(1, sum=np.add.reduce, prod=np.multiply.reduce),
    **_numbers(1, amax=np.maximum.reduce, amin=np.minimum.reduce),
    "all": Operation(np.logical_and.reduce, "bool", "bool"),
    "any": Operation(np.logical_or.reduce, "bool", "bool"),
}
"""What is done over dimensions, which the result does not have."""

STRUCTURAL = {
    "input": "data: its name",
    "constant": "data: one number for all, or all of them, the last dimension fastest",
    "where": "(mask, yes, no)",
    "cast": "(x): true as 1, false as 0",
    "view": "(x): x in the shape of the node",
    "expand": "(x): x repeated, where a size is 1, to the shape of the node",
    "permute": "(x) data: dimensions of x in their new order",
    "take": "(x) data: a dimension, and indices along it",
    "cat": "(parts...) data: the dimension along which they lie one behind the other",
    "matmul": "(x, y): (..., m, k) by (..., k, n)",
}
"""The other operations, and what they take. Dimensions are counted from the end, from -1."""

OPERATIONS = frozenset({*ELEMENTWISE, *REDUCTIONS, *STRUCTURAL})
