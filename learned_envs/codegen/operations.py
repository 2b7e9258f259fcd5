"""The operations that code is made of: one list, with the code of both languages side by side.

A traced graph is brought to these; see `lowering.py`. An operation of torch on each number by
itself, or one that reduces dimensions, is a line here. Any other has a name in `STRUCTURAL`, a rule
that makes it, and a function in each of the writers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """The code of an operation, with `{}` for each operand.

    Attributes:
        numpy: of arrays, in Python.
        cpp: of vectors, in C++.
        logical: whether the operands are true or false, and not numbers.
    """

    numpy: str
    cpp: str
    logical: bool = False

    @property
    def operands(self) -> int:
        """How many operands there are."""
        return self.cpp.count("{}")


ELEMENTWISE = {
    "add": Code("{} + {}", "({} + {})"),
    "sub": Code("{} - {}", "({} - {})"),
    "mul": Code("{} * {}", "({} * {})"),
    "div": Code("{} / {}", "({} / {})"),
    "pow": Code("{} ** {}", "({}).pow({})"),
    "maximum": Code("np.maximum({}, {})", "maximum({}, {})"),
    "minimum": Code("np.minimum({}, {})", "minimum({}, {})"),
    "neg": Code("-{}", "({}).neg()"),
    "abs": Code("np.abs({})", "({}).abs()"),
    "sqrt": Code("np.sqrt({})", "({}).sqrt()"),
    "exp": Code("np.exp({})", "({}).exp()"),
    "log": Code("np.log({})", "({}).log()"),
    "sin": Code("np.sin({})", "({}).sin()"),
    "cos": Code("np.cos({})", "({}).cos()"),
    "tan": Code("np.tan({})", "({}).tan()"),
    "asin": Code("np.arcsin({})", "({}).asin()"),
    "acos": Code("np.arccos({})", "({}).acos()"),
    "atan": Code("np.arctan({})", "({}).atan()"),
    "sinh": Code("np.sinh({})", "({}).sinh()"),
    "cosh": Code("np.cosh({})", "({}).cosh()"),
    "tanh": Code("np.tanh({})", "tanh({})"),
    "floor": Code("np.floor({})", "({}).floor()"),
    "ceil": Code("np.ceil({})", "({}).ceil()"),
    "round": Code("np.rint({})", "({}).round()"),
    "sign": Code("np.sign({})", "({}).sign()"),
    "remainder": Code("np.remainder({}, {})", "({}).remainder({})"),
    "atan2": Code("np.arctan2({}, {})", "({}).atan2({})"),
    "rsqrt": Code("ONE / np.sqrt({})", "(V(1.0f) / ({}).sqrt())"),
    "sigmoid": Code("ONE / (ONE + np.exp(-{}))", "(V(1.0f) / (({}).neg().exp() + V(1.0f)))"),
    "silu": Code("silu({})", "silu({})"),
    "bitwise_not": Code("~{}", "(~{})", logical=True),
    "bitwise_and": Code("{} & {}", "({} & {})", logical=True),
    "bitwise_or": Code("{} | {}", "({} | {})", logical=True),
    "lt": Code("{} < {}", "({} < {})"),
    "le": Code("{} <= {}", "({} <= {})"),
    "gt": Code("{} > {}", "({} > {})"),
    "ge": Code("{} >= {}", "({} >= {})"),
    "eq": Code("{} == {}", "({} == {})"),
    "ne": Code("{} != {}", "({} != {})"),
}
"""What is done to each number by itself, by the name that torch gives it."""

REDUCTIONS = {
    "sum": Code("np.add.reduce", "{} + {}"),
    "prod": Code("np.multiply.reduce", "{} * {}"),
    "amax": Code("np.maximum.reduce", "maximum({}, {})"),
    "amin": Code("np.minimum.reduce", "minimum({}, {})"),
    "all": Code("np.logical_and.reduce", "{} & {}", logical=True),
    "any": Code("np.logical_or.reduce", "{} | {}", logical=True),
}
"""What takes (x, dimensions): numpy's function, and C++ for the result so far and the next."""

STRUCTURAL = {
    "where": "(mask, yes, no)",
    "cast": "(x): x in the type of the node",
    "view": "(x): x in the shape of the node",
    "expand": "(x): x repeated to the shape of the node",
    "permute": "(x, dimensions): x with its dimensions in that order",
    "take": "(x, dimension, indices): what is there along the dimension",
    "gather": "(x, dimension, index): what is there for each number of the index",
    "cat": "(parts, dimension): parts one behind the other",
    "matmul": "(x, y): (m, k) by (k, n), or as many such pairs as a first dimension has",
    "layer_norm": "(x, epsilon): x standardised along its last dimension",
}
"""The other operations, and what they take. Dimensions of x are counted from the end."""
