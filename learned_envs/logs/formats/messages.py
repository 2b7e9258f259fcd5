"""Messages of ROS as rows of numbers: what a topic's messages hold, by its path in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.stream import Array, Block, Stream, full

TIME, LOGGED = "time", "log_time"
"""Columns of every topic, in nanoseconds: what the sender wrote in the header, and when the message
was recorded. A topic without a header has the second for the first."""

NAMED = ("position", "velocity", "effort")
"""Arrays of a JointState, whose numbers have the names of joints."""

Row = dict[str, float | int]
Message = tuple[str, int, Any]
"""Topic, nanoseconds when it was recorded, and the message: an object with fields, or a dict."""


def row_of(message: Any, logged: int) -> Row:
    """Return the numbers of a message, by their paths in it.

    Examples:
        >>> row_of({"data": [1.0, 2.0]}, 5)
        {'time': 5, 'log_time': 5, 'data[0]': 1.0, 'data[1]': 2.0}
    """
    fields = _fields(message)
    header = _fields(fields.get("header")) if "header" in fields else {}
    stamp = _fields(header.get("stamp")) if "stamp" in header else {}
    nanoseconds = stamp.get("nanosec", stamp.get("nsec"))
    time = logged
    if nanoseconds is not None:
        time = int(stamp["sec"]) * 10**9 + int(nanoseconds)
    row: Row = {TIME: time, LOGGED: logged}
    names = fields.get("name")
    joints = [str(name) for name in names] if isinstance(names, list | tuple) else None
    for name, value in fields.items():
        if name in ("header", "name"):
            continue
        if joints is not None and name in NAMED:
            row |= {f"{name}[{j}]": float(x) for j, x in zip(joints, value, strict=False)}
        else:
            row |= _flat(name, value)
    return row


def blocks_of(
    messages: Iterable[Message], names: Collection[str], rows: int, where: str
) -> Iterator[Block]:
    """Gather messages to blocks of the columns that are named.

    Raises:
        LogError: if a message lacks a column that others of its topic have.
    """
    wanted, first = set(names), dict[str, int]()
    gathered: dict[str, list[Row]] = {}
    for topic, logged, message in messages:
        gathered.setdefault(topic, []).append(row_of(message, logged))
        if len(gathered[topic]) == rows:
            yield _block(gathered, wanted, first, where)
            gathered = {}
    if gathered:
        yield _block(gathered, wanted, first, where)


def _block(
    gathered: Mapping[str, list[Row]], wanted: Collection[str], first: dict[str, int], where: str
) -> Block:
    block = {}
    for topic, found in gathered.items():
        at = first.get(topic, 0)
        kept = [name for name in found[0] if full(topic, name) in wanted]
        columns: dict[str, Array] = {}
        for name in kept:
            try:
                columns[name] = np.array([row[name] for row in found])
            except KeyError:
                row = next(i for i, each in enumerate(found) if name not in each)
                raise LogError(
                    f"{where}, column {full(topic, name)!r}, row {at + row}: the message lacks "
                    "it. Split the recording where its topics change."
                ) from None
        block[topic] = Stream(columns, at)
        first[topic] = at + len(found)
    return block


def _flat(path: str, value: Any) -> Row:
    """Return the numbers of a value, by their paths; texts and longer arrays are left out."""
    if isinstance(value, bool | int | np.integer):
        return {path: int(value)}
    if isinstance(value, float | np.floating):
        return {path: float(value)}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if len(value) > LONGEST:
            return {}
        parts = [_flat(f"{path}[{place}]", each) for place, each in enumerate(value)]
    else:
        parts = [_flat(f"{path}.{name}", each) for name, each in _fields(value).items()]
    return {name: number for part in parts for name, number in part.items()}


LONGEST = 1000
"""Numbers of an array that are read: pictures and point clouds are longer."""


def _fields(message: Any) -> Mapping[str, Any]:
    if isinstance(message, Mapping):
        return message
    names = getattr(message, "__dataclass_fields__", {})
    return {name: getattr(message, name) for name in names if not name.startswith("__")}
