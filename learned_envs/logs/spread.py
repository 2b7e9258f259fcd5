"""A few of what goes by once, evenly spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def spread(found: Iterable[T], most: int) -> list[T]:
    """Keep at most so many items, and half as many at least if there are more.

    Examples:
        >>> spread("abcdefg", 4)
        ['a', 'c', 'e', 'g']
    """
    kept, every = list[T](), 1
    for count, item in enumerate(found):
        if count % every == 0:
            kept.append(item)
        if len(kept) > most:
            kept, every = kept[::2], 2 * every
    return kept
