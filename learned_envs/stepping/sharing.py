"""Derived code that all environments of a process with the same weights and options share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, TypeVar

LARGEST = 64
"""How many codes are kept, if nobody uses them any more: with weights, a megabyte each."""

T = TypeVar("T")


class _Kept:
    """What was made last, by key: as many as `LARGEST`, and none twice at once."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = RLock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under a key, or make it."""
        # One at a time: torch.fx and the compiler's cache take turns in any case.
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            self._made.move_to_end(key)
            while len(self._made) > LARGEST:
                self._made.popitem(last=False)
            found: T = self._made[key]
            return found


_kept = _Kept()


class Share:
    """The codes of one simulation under one set of options.

    Made of the same key it finds what another one made. A key must say all that the code depends
    on; without one nothing is shared, and the codes last as long as this does.
    """

    def __init__(self, key: Hashable | None = None) -> None:
        """Share what is derived under a key; None shares nothing."""
        self._key, self._kept = key, _Kept() if key is None else _kept

    def get(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return the code of that name, or make it."""
        return self._kept.get((self._key, name), make)
