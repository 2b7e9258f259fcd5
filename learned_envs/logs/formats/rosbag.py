"""Bags of ROS 1, and of ROS 2 in the folders that it writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from learned_envs.errors import DependencyError, LogError
from learned_envs.logs.formats.messages import Message, blocks_of, row_of
from learned_envs.logs.stream import ROWS, Block, Run

METADATA = "metadata.yaml"
"""What says of a folder that it is a bag of ROS 2."""


def recognises(path: Path) -> bool:
    """Return whether it is a bag."""
    return (path / METADATA).is_file() or (path.is_file() and path.suffix.lower() == ".bag")


def runs(path: Path) -> Iterator[Bag]:
    """Open a bag: it is one run."""
    yield Bag(path)


@dataclass(frozen=True)
class Bag(Run):
    """A bag; each topic is a stream."""

    path: Path

    @property
    def name(self) -> str:
        """The file or folder."""
        return str(self.path)

    @cached_property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """What the first message of each topic holds."""
        found: dict[str, tuple[str, ...]] = {}
        with self._opened() as reader:
            for connection in reader.connections:
                for topic, logged, message in self._messages(reader, [connection]):
                    found[topic] = tuple(row_of(message, logged))
                    break
        return found

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        with self._opened() as reader:
            topics = [
                connection
                for connection in reader.connections
                if any(name.startswith(f"{connection.topic}/") for name in names)
            ]
            if topics:
                yield from blocks_of(self._messages(reader, topics), names, rows, self.name)

    def _messages(self, reader: Any, connections: list[Any]) -> Iterator[Message]:
        try:
            for connection, logged, data in reader.messages(connections):
                yield connection.topic, logged, reader.deserialize(data, connection.msgtype)
        except Exception as error:
            raise LogError(f"{self.path} is broken: {error!r}. Reindex or copy it anew.") from error

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            from rosbags.highlevel import AnyReader, AnyReaderError
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise DependencyError(
                'ROS bags need rosbags: pip install "learned-envs[logs]".'
            ) from error
        store = get_typestore(Stores.LATEST)
        try:
            reader = AnyReader([self.path], default_typestore=store)
            reader.open()
        except (AnyReaderError, OSError, ValueError) as error:
            raise LogError(
                f"{self.path} is no whole bag: {str(error).rstrip('.')}. Copy it anew."
            ) from error
        try:
            yield reader
        finally:
            reader.close()
