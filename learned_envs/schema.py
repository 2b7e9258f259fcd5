"""Plain data, as JSON holds it, and the types that it is read into.

What is stored has a number, its format. A table of migrations brings an older format to the newest
step by step: format -> what turns plain data of this format into the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

Plain = dict[str, Any]
Migration = Callable[[Plain], Plain]

T = TypeVar("T")


def format_of(plain: object) -> int:
    """Return the number of the format that plain data says it has.

    Raises:
        msgspec.ValidationError: if it is no object, or has no such number.
    """
    return msgspec.convert(plain, _Numbered).format


def migrated(plain: Plain, migrations: Mapping[int, Migration]) -> Plain:
    """Return plain data in the newest format that the migrations lead to."""
    while (number := format_of(plain)) in migrations:
        plain = {**migrations[number](plain), "format": number + 1}
    return plain


def strict(plain: object, kind: type[T]) -> T:
    """Read plain data, and refuse keys that its type does not have.

    Raises:
        msgspec.ValidationError: if it has such a key, lacks one, or a value is of another type.
    """
    read = msgspec.convert(plain, kind)
    if unknown := [*_unknown(plain, msgspec.to_builtins(read))]:
        raise msgspec.ValidationError(f"Object contains the unknown {', '.join(unknown)}")
    return read


class _Numbered(msgspec.Struct):
    format: int


def _unknown(plain: object, known: object, path: str = "") -> Iterator[str]:
    """Find the keys, at any depth of objects, that only `plain` has."""
    if isinstance(plain, dict) and isinstance(known, dict):
        for key, value in plain.items():
            if key in known:
                yield from _unknown(value, known[key], f"{path}{key}.")
            else:
                yield f"{path}{key}"
