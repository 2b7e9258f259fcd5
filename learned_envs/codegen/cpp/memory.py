"""Where the arrays of C++ code lie in the memory that a tile is computed in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def placed(lines: Sequence[str], sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Lay arrays out in memory that they share where one is dead before another is born.

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
            offset = max(offset, offsets[other] + sizes[other])
        offsets[name] = offset
    return offsets, max((offsets[name] + sizes[name] for name in offsets), default=0)
