"""MCAP files, with messages of ROS 1, of ROS 2, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from learned_envs.errors import DependencyError, LogError
from learned_envs.logs.formats.messages import Message, blocks_of, row_of
from learned_envs.logs.stream import ROWS, Block, Run

Decode = Callable[[bytes], Any]


def recognises(path: Path) -> bool:
    """Return whether a file's name ends like one of MCAP."""
    return path.is_file() and path.suffix.lower() == ".mcap"


def runs(path: Path) -> Iterator[Mcap]:
    """Open a file: it is one run."""
    yield Mcap(path)


@dataclass(frozen=True)
class Mcap(Run):
    """A file; each topic is a stream."""

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    @cached_property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """What the first message of each topic holds."""
        found: dict[str, tuple[str, ...]] = {}
        left = {*self._topics}
        for topic, logged, message in self._messages(self._topics):
            if topic in left:
                found[topic] = tuple(row_of(message, logged))
                left.remove(topic)
            if not left:
                break
        return found

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        topics = [t for t in self._topics if any(name.startswith(f"{t}/") for name in names)]
        if topics:
            yield from blocks_of(self._messages(topics), names, rows, self.name)

    @cached_property
    def _topics(self) -> tuple[str, ...]:
        make_reader, broken = _library()
        try:
            with self.path.open("rb") as file:
                summary = make_reader(file).get_summary()
        except (broken, OSError) as error:
            raise self._broken(error) from error
        if summary is None:
            raise LogError(f"{self.path} has no summary. Mend it with `mcap recover`.")
        return tuple(channel.topic for channel in summary.channels.values())

    def _messages(self, topics: Collection[str]) -> Iterator[Message]:
        make_reader, broken = _library()
        decoders: dict[int, Decode] = {}
        try:
            with self.path.open("rb") as file:
                for schema, channel, message in make_reader(file).iter_messages([*topics]):
                    if channel.id not in decoders:
                        decoders[channel.id] = self._decoder(schema, channel)
                    yield channel.topic, message.log_time, decoders[channel.id](message.data)
        except (broken, OSError) as error:
            raise self._broken(error) from error

    def _decoder(self, schema: Any, channel: Any) -> Decode:
        if channel.message_encoding == "json":
            return json.loads
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        encodings = ("ros1msg", "ros2msg")
        if schema is None or schema.encoding not in encodings:
            raise LogError(
                f"{self.path}: messages of {channel.topic} are encoded as "
                f"{channel.message_encoding!r}, expected cdr, ros1 or json. Convert the topic, or "
                "take it out of the map."
            )
        one = schema.encoding == "ros1msg"
        store = get_typestore(Stores.ROS1_NOETIC if one else Stores.LATEST)
        kind = schema.name if schema.name.count("/") == 2 else schema.name.replace("/", "/msg/")
        types = get_types_from_msg(schema.data.decode(), kind)
        store.register({name: fields for name, fields in types.items() if name not in store.types})
        read = store.deserialize_ros1 if one else store.deserialize_cdr
        return lambda data: read(data, kind)

    def _broken(self, error: Exception) -> LogError:
        return LogError(
            f"{self.path} is no whole MCAP file: {error!r}. Mend it with `mcap recover`, or copy "
            "it anew."
        )


def _library() -> tuple[Callable[[Any], Any], type[Exception]]:
    try:
        import rosbags  # noqa: F401
        from mcap.exceptions import McapError
        from mcap.reader import make_reader
    except ImportError as error:
        raise DependencyError(
            'MCAP needs mcap and rosbags: pip install "learned-envs[logs]".'
        ) from error
    return make_reader, McapError
