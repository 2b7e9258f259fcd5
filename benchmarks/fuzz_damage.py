"""Damage of files and of plain data, the same for the same source of randomness."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, "", " ", "x" * 2000, "../up", "\x00", "[/red]", "\ud800", "é" * 40),
    *(-1, 0, 1, 2, 3, 255, 10**6, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**40, -(10**30)),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 1e-300, 1e-12, 1e12, 1e300, -1e300),
    *([], {}, [[]], [{}], [None], [0], [0, 0], [1.5], [1e308], [-1, 2**40], ["a", "a"]),
    *({"a": 1}, {"": None}, {"name": "x", "size": 10**9}, [[1, 2], [3]], list(range(300))),
    *("Hopper", "second_order", "recurrent", "rk4", "dopri5", "tanh", "free", "plane", "member"),
)
"""What may stand where something else was expected."""


DEEP = "lists in each other"


def nested(depth: int) -> Any:
    """Return lists in lists."""
    plain: Any = []
    for _ in range(depth):
        plain = [plain]
    return plain


def places(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List where plain data has values, at any depth."""
    if isinstance(plain, dict):
        entries = list(plain.items())
    elif isinstance(plain, list):
        entries = list(enumerate(plain))
    else:
        return []
    return [each for key, own in entries for each in ((*path, key), *places(own, (*path, key)))]


def mutated(plain: Any, random: Random) -> tuple[Any, str]:
    """Change plain data in one or a few places.

    Returns:
        The changed data, and what was changed.
    """
    plain, said = copy.deepcopy(plain), []
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        path = random.choice(places(plain) or [()])
        if not path:
            return random.choice(ODD), "all of it"
        parent = plain
        for key in path[:-1]:
            parent = parent[key]
        how = _change(parent, path[-1], random)
        said.append(f"{'.'.join(map(str, path))}: {how}")
        if how.endswith(DEEP):
            # Nothing here could walk through them.
            break
    return plain, "; ".join(said)


def _change(parent: Any, key: Any, random: Random) -> str:
    """Change one value of an object or a list; return how."""
    value = parent[key]
    kinds = ["odd", "odd", "odd", "remove", "deep", "number", "type", "double", "rename"]
    match random.choice(kinds):
        case "remove":
            del parent[key]
            return "removed"
        case "deep":
            depth = random.choice((3, 200, 5000))
            parent[key] = nested(depth)
            return f"{depth} {DEEP}"
        case "number" if isinstance(value, (int, float)) and not isinstance(value, bool):
            factor = random.choice((-1, 0, 2, 10, 1e6, 1e-6, 1e300))
            parent[key] = type(value)(value * factor) if abs(value * factor) < 1e308 else 1e308
            return f"{value!r} times {factor}"
        case "type":
            parent[key] = [value] if random.random() < 0.5 else str(value)[:500]
            return f"made {type(parent[key]).__name__}"
        case "double" if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
            return "said twice"
        case "rename" if isinstance(parent, dict):
            name = random.choice((f"{key}x", key[:-1] if isinstance(key, str) else key, ""))
            parent[name] = parent.pop(key)
            return f"renamed {name!r}"
    chosen = random.choice(ODD)
    parent[key] = copy.deepcopy(chosen)
    return f"{chosen!r:.60}"


def damaged(data: bytes, random: Random) -> tuple[bytes, str]:
    """Damage bytes as disks, transfers and editors do.

    Returns:
        Other bytes, or now and then the same, and what was done to them.
    """
    how: Callable[[bytes, Random], tuple[bytes, str]] = random.choice(
        (flipped, flipped, flipped, cut, grown, overwritten, shuffled)
    )
    return how(data, random)


def flipped(data: bytes, random: Random) -> tuple[bytes, str]:
    """Flip a bit, or a few; every other time near the beginning, where headers are."""
    changed, said = bytearray(data), []
    for _ in range(random.choice((1, 1, 1, 3, 20))):
        if not changed:
            break
        end = len(changed) if random.random() < 0.5 else min(len(changed), 8192)
        place, bit = random.randrange(end), random.randrange(8)
        changed[place] ^= 1 << bit
        said.append(f"{place}.{bit}")
    return bytes(changed), f"bits flipped at {', '.join(said)}"


def cut(data: bytes, random: Random) -> tuple[bytes, str]:
    """Keep a beginning or an end."""
    at = random.choice((0, 1, 7, 8, 9, random.randrange(len(data) + 1), max(0, len(data) - 1)))
    if random.random() < 0.8:
        return data[:at], f"cut after {at} bytes"
    return data[at:], f"first {at} bytes cut off"


def grown(data: bytes, random: Random) -> tuple[bytes, str]:
    """Add bytes behind, or the whole once more."""
    if random.random() < 0.3:
        return data + data, "said twice"
    count = random.choice((1, 8, 4096))
    return data + random.randbytes(count), f"{count} bytes behind it"


def overwritten(data: bytes, random: Random) -> tuple[bytes, str]:
    """Write zeros, ones or noise over a stretch, as a lost block of a disk is."""
    size = random.choice((1, 16, 512, 4096))
    at = random.randrange(max(1, len(data)))
    block = random.choice((b"\0" * size, b"\xff" * size, random.randbytes(size)))
    changed = data[:at] + block[: len(data) - at] + data[at + size :]
    return changed, f"{size} bytes from {at} overwritten"


def shuffled(data: bytes, random: Random) -> tuple[bytes, str]:
    """Swap two stretches of a file."""
    if len(data) < 4:
        return data[::-1], "backwards"
    a, b, c = sorted(random.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:], f"{a}:{b} and {b}:{c} swapped"


def header_of(data: bytes) -> tuple[Any, bytes]:
    """Split a safetensors file into its header, as plain data, and the bytes of its tensors."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def dumped(plain: Any, **how: Any) -> str:
    """Write JSON; of what is too deep for that, nothing but its depth."""
    try:
        return json.dumps(plain, **how)
    except RecursionError:
        return "[" * 100_000 + "]" * 100_000


def with_header(header: Any, tensors: bytes, claimed: int | None = None) -> bytes:
    """Put a safetensors file together.

    Args:
        header: as plain data.
        tensors: the bytes behind it.
        claimed: the length that the file says its header has; its own if None.
    """
    text = dumped(header).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if claimed is None else claimed) + text + tensors


def crafted_header(data: bytes, random: Random) -> tuple[bytes, str]:
    """Change what a safetensors file says of its tensors, or the length of its header."""
    header, tensors = header_of(data)
    if random.random() < 0.15:
        claimed = random.choice((0, 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1))
        return with_header(header, tensors, claimed), f"claims a header of {claimed} bytes"
    metadata = header.pop("__metadata__", None)
    header, said = mutated(header, random)
    if isinstance(header, dict) and random.random() < 0.95:
        header["__metadata__"] = metadata
    return with_header(header, tensors), f"header: {said}"
