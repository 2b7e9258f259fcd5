"""The code of a step, cut into functions that a compiler is done with soon.

A compiler takes much longer for a function of a thousand loops than for a hundred functions of ten.
All arrays lie in one memory, so that the code may be cut between any two lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PART = 4_000
"""Characters of code in a function, about."""

UNIT = 40_000
"""Characters of code, about, that are compiled at a time, beside others."""

_PARAMETERS = (
    "(const Tile& tile, const void* const* in, void* const* out,"
    " const float* __restrict c, const uint16_t* __restrict h, V* __restrict s)"
)


@dataclass(frozen=True)
class Code:
    """The code of a step.

    Attributes:
        units: functions in as many texts as may be compiled side by side.
        step: the function that calls all of them in turn.
    """

    units: tuple[str, ...]
    step: str


def in_parts(
    lines: Sequence[str], offsets: Mapping[str, int], tables: Mapping[str, str], scratch: int
) -> Code:
    """Return lines as functions.

    Args:
        lines: statements that name arrays and tables.
        offsets: of the arrays, in the memory of a tile.
        tables: the numbers of each.
        scratch: how many vectors that memory has.
    """
    units, size, count = [""], 0, 0
    for part in _cut(lines, PART):
        if size > UNIT:
            units.append("")
            size = 0
        named = dict.fromkeys(re.findall(r"\b[tx]\d+\b", "\n".join(part)))
        head = [f"static constexpr int {n}[] = {{{tables[n]}}};" for n in named if n in tables]
        head += [f"V* const {n} = s + {offsets[n]};" for n in named if n in offsets]
        body = "".join(f"  {line}\n" for line in (*head, *part))
        units[-1] += f"PART void part{count}{_PARAMETERS} {{\n{body}}}\n\n"
        size, count = size + len(body), count + 1
    declared = "".join(f"PART void part{i}{_PARAMETERS};\n" for i in range(count))
    calls = "".join(f"  part{i}(tile, in, out, c, h, s);\n" for i in range(count))
    step = f"constexpr int SCRATCH = {scratch};\n\n{declared}\n"
    return Code(tuple(units), f"{step}inline void step{_PARAMETERS} {{\n{calls}}}\n")


def _cut(lines: Sequence[str], size: int) -> Iterator[list[str]]:
    """Cut lines into pieces of about a size."""
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if sum(map(len, piece)) > size:
            yield piece
            piece = []
    if piece:
        yield piece
