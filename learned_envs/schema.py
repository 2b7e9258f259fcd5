"""Plain data, as JSON holds it, and the types that it is read into.

Bounds stand in the types: `Annotated[int, Meta(ge=1)]`. They hold for what is read, and
[`check`][learned_envs.schema.check] holds what Python or the command line made against them.

What is stored has a number, its format. A table of migrations brings an older format to the newest
step by step: format -> what turns plain data of this format into the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from learned_envs.errors import ParameterError

MOST_CHARACTERS = 4_000_000
"""Of JSON that is read; the largest card of the package has some 20,000."""

DEEPEST = 50
"""How many objects and arrays of JSON may lie in one another."""

LARGEST = 1e30
"""The largest number of a setting, which has to be finite in float32 with some room."""

Word = Annotated[str, Meta(min_length=1, max_length=200)]
"""The name of something."""

Name = Annotated[str, Meta(min_length=1, max_length=1000)]
"""The name of a task, which may hold paths of files."""

Count = Annotated[int, Meta(ge=1, le=10**12)]
"""How many there are, and at least one."""

Seed = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""What decides everything that is drawn."""

Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
"""A number above zero."""

NotNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
"""A number that is zero or more."""

Share = Annotated[float, Meta(ge=0, le=1)]
"""A part of a whole."""

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


def checksum(plain: Mapping[str, Any]) -> str:
    """Return the sha256 of plain data without the `checksum` that it may have.

    Raises:
        TypeError or ValueError: if it is not plain data for JSON, or not finite.
    """
    rest = {name: value for name, value in plain.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(plain: Plain) -> bytes:
    """Return plain data as JSON that `unsealed` reads: to be read by people, with a checksum."""
    return json.dumps({**plain, "checksum": checksum(plain)}, indent=1, allow_nan=False).encode()


def unsealed(text: bytes) -> Plain:
    """Read what `sealed` gave, or an object that was written before there were checksums.

    Raises:
        msgspec.MsgspecError: if it is no JSON object, too large or too deep, or was changed.
    """
    plain = msgspec.convert(decoded(text), Plain)
    if plain.get("checksum") not in (None, checksum(plain)):
        raise msgspec.ValidationError("it does not match its checksum, so it was changed")
    return {name: value for name, value in plain.items() if name != "checksum"}


def decoded(text: str | bytes) -> Any:
    """Read JSON that may come from anywhere: its size and its depth are bounded.

    Raises:
        msgspec.MsgspecError: if it is not JSON, too large or too deep, or has a number that is not
            finite.
    """
    if len(text) > MOST_CHARACTERS:
        raise msgspec.ValidationError(
            f"Got {len(text):,} characters of JSON, expected at most {MOST_CHARACTERS:,}"
        )
    too_deep = msgspec.ValidationError(
        f"Got JSON that is nested deeper than {DEEPEST} objects and arrays"
    )
    try:
        plain = msgspec.json.decode(text)
    except RecursionError:
        raise too_deep from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"Got JSON that is no text ({error})") from error
    level = [plain]
    for _ in range(DEEPEST + 1):
        containers = [value for value in level if isinstance(value, (dict, list))]
        if not containers:
            return plain
        level = [
            value
            for each in containers
            for value in (each.values() if isinstance(each, dict) else each)
        ]
    raise too_deep


def check(settings: Any, owner: str = "") -> None:
    """Check the fields of a dataclass, and of those in it, against their types and bounds.

    Args:
        settings: a dataclass. What it holds is as it was made; nothing is converted.
        owner: what the message says that the fields are of.

    Raises:
        ParameterError: if a value is of another type than its field's, or out of its bounds.
    """
    kind: type = type(settings)
    hints = _hints(kind)
    for own in fields(settings):
        value = getattr(settings, own.name)
        if is_dataclass(hint := hints[own.name]) and isinstance(hint, type):
            if not isinstance(value, hint):
                raise ParameterError(f"Got {own.name}={value!r:.200}, expected a {hint.__name__}.")
            check(value, owner)
            continue
        try:
            msgspec.convert(value, hints[own.name])
        # Of what is no plain data, an array say, msgspec asks what only that can answer.
        except (msgspec.ValidationError, AttributeError, TypeError, ValueError) as error:
            name = _known_as(own.name, hints[own.name])
            whose = f" for {owner}" if owner else ""
            usual = "" if own.default is MISSING else f", such as {own.default!r}"
            raise ParameterError(f"Got {name}={value!r:.200}{whose}. {error}{usual}.") from None


def _known_as(name: str, hint: Any) -> str:
    """Return the name that a field has on the command line, if its annotation gives it one."""
    given = (getattr(each, "name", None) for each in getattr(hint, "__metadata__", ()))
    return next(filter(None, given), name)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


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
