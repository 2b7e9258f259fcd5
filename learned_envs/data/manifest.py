"""The manifest of a dataset: what its directory holds, as one schema with a checksum of its own.

The checksum covers what the schema knows. Keys of users' own stay, and may be changed by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from learned_envs import argument
from learned_envs.data.folder import MANIFEST, shard_number
from learned_envs.errors import DatasetError, ParameterError
from learned_envs.files import write_whole
from learned_envs.schema import Migration, Name, Plain, format_of, migrated
from learned_envs.systems.consistency import check_spec
from learned_envs.systems.spec import SystemSpec

FORMAT = 2
"""Version of the manifest's layout; a newer one is refused."""

MIGRATIONS: Mapping[int, Migration] = {1: lambda plain: plain}
"""What turns an older manifest into one of the next format. In format 1 there was no checksum."""

LARGEST_FILE = 2**28
"""Bytes. A manifest names a shard of 10,000 steps in some 600 of them."""

Actor = Annotated[str, Meta(max_length=1000)]
Count = Annotated[int, Meta(ge=1, le=2**50)]


class Shard(msgspec.Struct, frozen=True):
    """What the manifest says of one file of episodes.

    Attributes:
        name: of the file, which lies beside the manifest.
        bytes: its size.
        sha256: of all that is in it.
        episodes: how many it holds.
        steps: in all of them together.
        sources: how many steps each actor took, by name; the file numbers actors in this order.
        origin: where the episodes come from, in the words of whoever appended them.
    """

    name: Annotated[str, Meta(pattern=r"\Ashard-[0-9]{5,15}\.safetensors\Z")]
    bytes: Count
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    episodes: Count
    steps: Count
    sources: dict[Actor, Count]
    origin: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number in its name."""
        return shard_number(self.name)


class Manifest(msgspec.Struct, kw_only=True, frozen=True):
    """All that a dataset says of itself.

    Attributes:
        format: of the layout.
        task: name of the task that was recorded.
        spec: the system that was recorded.
        shards: in the order in which they were appended.
    """

    format: int = FORMAT
    task: Name
    spec: SystemSpec
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            DatasetError: if it cannot be read, is broken, changed or of a newer format, or if a
                value is of another type or out of bounds, or does not fit to the others.
        """
        file = folder / MANIFEST
        try:
            if (size := file.stat().st_size) > LARGEST_FILE:
                raise ValueError(f"it has {size} bytes, expected at most {LARGEST_FILE}")
            return cls._of(file.read_bytes())
        except _NewerError as error:
            raise DatasetError(
                f"{folder} has dataset format {error}; this learned-envs reads up to {FORMAT}. "
                "Upgrade learned-envs."
            ) from None
        except OSError as error:
            raise DatasetError(
                f"{file} cannot be read ({error}). Give the path of a dataset that you may read."
            ) from error
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise DatasetError(
                f"{file} is not a dataset's manifest ({error}). Restore it from a copy, or record "
                "the dataset anew."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the manifest of a folder. Keys of users' own that are there already stay.

        Raises:
            DatasetError: if it could not be read again, or if the one that is there cannot.
            OutputError: if it cannot be written.
        """
        file = folder / MANIFEST
        before: Plain = {}
        if file.exists():
            Manifest.read(folder)
            before = msgspec.json.decode(file.read_bytes())
        plain = _over(before, {**msgspec.to_builtins(self), "format": FORMAT})
        try:
            plain["checksum"] = checksum(plain, self)
            data = json.dumps(plain, indent=1, allow_nan=False).encode()
            self._of(data)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise DatasetError(f"Cannot write {file}: {error}. Expected a dataset's.") from error
        write_whole(file, data)

    @classmethod
    def _of(cls, data: bytes) -> Manifest:
        """Read a manifest's content.

        Raises:
            ValueError or msgspec.MsgspecError: if it is broken; _NewerError if it is too new.
        """
        plain = msgspec.json.decode(data)
        number = format_of(plain)
        if number > FORMAT:
            raise _NewerError(number)
        if number < 1:
            raise ValueError(f"its format is {number}, expected 1 to {FORMAT}")
        manifest = msgspec.convert(migrated(plain, MIGRATIONS), cls)
        if number > 1 and plain.get("checksum") != checksum(plain, manifest):
            raise ValueError(
                "it was changed after it was written, because it does not match its checksum"
            )
        manifest._check()
        return manifest

    def _check(self) -> None:
        """Check that its parts fit to each other.

        Raises:
            ValueError: if they do not.
        """
        check_spec(self.spec)
        if len({shard.name for shard in self.shards}) < len(self.shards):
            raise ValueError("it names one shard twice")
        for shard in self.shards:
            if shard.episodes > shard.steps or sum(shard.sources.values()) != shard.steps:
                raise ValueError(
                    f"{shard.name} has {shard.episodes} episodes of {shard.steps} steps, taken by "
                    f"{shard.sources!r:.200}; expected steps that add up, and one for each episode"
                )


class _NewerError(Exception):
    """A manifest of a newer format."""


def checksum(plain: Plain, manifest: Manifest) -> str:
    """Return the sha256 of what a manifest, as plain data, holds of the schema."""
    known = _common(plain, msgspec.to_builtins(manifest))
    # The order of keys counts: that of actors numbers them.
    text = json.dumps(known, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _common(plain: Any, known: Any) -> Any:
    """Return plain data without the keys, at any depth, that only it has."""
    if isinstance(plain, dict) and isinstance(known, dict):
        return {name: _common(plain[name], known[name]) for name in plain if name in known}
    if isinstance(plain, list | tuple) and isinstance(known, list | tuple):
        return [_common(*pair) for pair in zip(plain, known, strict=True)]
    return plain


def _over(old: Any, new: Any) -> Any:
    """Lay plain data over what was there. Keys that only the old has stay, at any depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _over(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list | tuple):
        both = zip(old, new, strict=False)
        return [*(_over(*pair) for pair in both), *new[len(old) :]]
    return new


def plain_origin(origin: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return where episodes come from as a manifest holds it.

    Raises:
        ParameterError: if JSON cannot hold it.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps({**(origin or {})}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"Got origin={argument.shown(origin)}, expected plain data for JSON, such as "
            f"{{'round': 1}} ({error})."
        ) from error
    return plain
