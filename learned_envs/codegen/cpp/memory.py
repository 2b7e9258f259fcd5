"""Where the arrays of C++ code lie in the memory that a tile is computed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def placed(
    lines: Sequence[str], sizes: Mapping[str, int], unit: int = 1
) -> tuple[dict[str, int], int]:
    """Lay arrays out in memory that they share where one is dead before another is born.

    Args:
        lines: of code.
        sizes: of the arrays that the lines name.
        unit: what arrays begin at multiples of.

    Returns:
        The offset of each that the lines name, and the size of it all.
    """
    lives: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        for name in re.findall(r"\bx\d+\b", line):
            lives.setdefault(name, []).append(number)
    offsets: dict[str, int] = {}
    for name, (born, *_) in lives.items():
        offset = 0
        for other in sorted((o for o in offsets if lives[o][-1] >= born), key=offsets.__getitem__):
            if offsets[other] - offset >= sizes[name]:
                break
            end = offsets[other] + sizes[other]
            offset = max(offset, -(-end // unit) * unit)
        offsets[name] = offset
    return offsets, max((offsets[name] + sizes[name] for name in offsets), default=0)
