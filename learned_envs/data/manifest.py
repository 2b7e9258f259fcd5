"""The manifest of a dataset: what its directory holds, as one schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from learned_envs.errors import DatasetError
from learned_envs.files import write_whole
from learned_envs.schema import Migration, format_of, migrated
from learned_envs.systems.spec import SystemSpec

MANIFEST = "manifest.json"

FORMAT = 1
"""Version of the manifest's layout; a newer one is refused."""

MIGRATIONS: Mapping[int, Migration] = {}
"""What turns an older manifest into one of the next format. So far there is one format."""


class Shard(msgspec.Struct, frozen=True):
    """What the manifest says of one file of episodes.

    Attributes:
        name: of the file.
        bytes: its size.
        sha256: of all that is in it.
        episodes: how many it holds.
        steps: in all of them together.
        sources: how many steps each actor took, by name; the file numbers actors in this order.
        origin: where the episodes come from, in the words of whoever appended them.
    """

    name: str
    bytes: int
    sha256: str
    episodes: int
    steps: int
    sources: dict[str, int]
    origin: dict[str, Any] = msgspec.field(default_factory=dict)


class Manifest(msgspec.Struct, kw_only=True, frozen=True):
    """All that a dataset says of itself.

    Attributes:
        format: of the layout.
        task: name of the task that was recorded.
        spec: the system that was recorded.
        shards: in the order in which they were appended.
    """

    format: int = FORMAT
    task: str
    spec: SystemSpec
    shards: tuple[Shard, ...]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            DatasetError: if it is broken, of a newer format, or a value is of another type.
        """
        file = folder / MANIFEST
        try:
            plain = json.loads(file.read_text(encoding="utf-8"))
            if (number := format_of(plain)) > FORMAT:
                raise DatasetError(
                    f"{folder} has dataset format {number}; this learned-envs reads up to "
                    f"{FORMAT}. Upgrade learned-envs."
                )
            return msgspec.convert(migrated(plain, MIGRATIONS), cls)
        except (ValueError, msgspec.ValidationError) as error:
            raise DatasetError(
                f"{file} is not a dataset's manifest ({error}). Restore it from a copy, or record "
                "the dataset anew."
            ) from error

    def write(self, folder: Path) -> None:
        """Write the manifest of a folder. Keys of users' own that are there already stay.

        Raises:
            OutputError: if it cannot be written.
        """
        file = folder / MANIFEST
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        plain = _over(before, msgspec.to_builtins(self))
        write_whole(file, json.dumps(plain, indent=1, allow_nan=False).encode())


def _over(old: Any, new: Any) -> Any:
    """Lay plain data over what was there. Keys that only the old has stay, at any depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _over(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list | tuple):
        both = zip(old, new, strict=False)
        return [*(_over(*pair) for pair in both), *new[len(old) :]]
    return new
