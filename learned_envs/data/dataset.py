"""Recorded episodes of a reference environment: a directory of immutable shards and a manifest.

```
my-dataset/
  manifest.json              format version, task, SystemSpec, each shard's name, size and sha256,
                             and a checksum of all that
  shard-00000.safetensors    flat arrays of whole episodes, T + 1 rows for an episode of T steps
```

A shard is written whole before the manifest names it, so a kill at any moment leaves what was
there. The next append replaces a file that no manifest names. Processes that append take turns.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from learned_envs import argument, files
from learned_envs.data.check import check, check_episode
from learned_envs.data.folder import MANIFEST, is_ours, shard_name
from learned_envs.data.lock import writing
from learned_envs.data.manifest import Manifest, Shard, plain_origin
from learned_envs.data.recording import Episode, Recording
from learned_envs.data.shard import read_shard, see_shard, share_shard, write_shard
from learned_envs.data.source import MakeSpec, expect
from learned_envs.entry_point import load
from learned_envs.errors import DatasetError, OutputError
from learned_envs.files import UNFINISHED
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import CHECKED

__all__ = ["MANIFEST", "Dataset"]


class Dataset:
    """Recorded episodes of one task on disk; made by `create` or `open`.

    [`collect`][learned_envs.collect.collection.collect] fills one.

    Attributes:
        path: the directory.
        manifest: what it says of itself.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: str | os.PathLike[str], task: str, spec: SystemSpec) -> Dataset:
        """Make an empty dataset.

        Raises:
            ParameterError: if something else is passed.
            OutputError: if something is there already, or nothing can be written.
        """
        path = argument.path("path", path)
        argument.instance("task", task, str)
        argument.instance("spec", spec, SystemSpec)
        manifest = Manifest(task=task, spec=spec, shards=())
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(not is_ours(entry.name) for entry in path.iterdir())
        except OSError as error:
            raise OutputError(
                f"Cannot make a dataset at {path}: {error}. Give another path."
            ) from error
        if not occupied:
            with writing(path):
                if not (path / MANIFEST).exists():
                    manifest.write(path)
                    return cls(path, manifest)
        raise OutputError(
            f"{path} is not empty. Give a path that does not exist yet, or open the dataset "
            "there with Dataset.open."
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str], task: str | None = None) -> Dataset:
        """Open a dataset: read its manifest and check that its shards are there.

        Args:
            path: the directory.
            task: the task that it must be of; None takes any.

        Raises:
            DatasetError: if it is missing, broken, of a newer format or of another task.
        """
        path = argument.path("path", path)
        if not _is_file(path / MANIFEST):
            got = "a directory without one" if os.path.isdir(path) else "nothing there"  # noqa: PTH112
            raise DatasetError(
                f"No dataset at {path}: expected a directory with {MANIFEST}, got {got}. Record "
                "one with learned_envs.fit.collect, or give the path of one."
            )
        dataset = cls(path, Manifest.read(path))
        for shard in dataset.shards:
            see_shard(path, shard)
        if task is not None:
            expect(dataset.task, task, path)
        return dataset

    @property
    def task(self) -> str:
        """Name of the task that was recorded."""
        return self.manifest.task

    @property
    def spec(self) -> SystemSpec:
        """The system that was recorded."""
        return self.manifest.spec

    @property
    def shards(self) -> tuple[Shard, ...]:
        """What the manifest says of each shard, in order."""
        return self.manifest.shards

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""
        return sum(shard.steps for shard in self.shards)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return sum(shard.episodes for shard in self.shards)

    @property
    def digest(self) -> str:
        """Sha256 over the shards' sha256: equal data has an equal digest."""
        return hashlib.sha256("".join(s.sha256 for s in self.shards).encode()).hexdigest()

    @property
    def actors(self) -> dict[str, int]:
        """How many steps each actor took, by name."""
        total: Counter[str] = Counter()
        for shard in self.shards:
            total.update(shard.sources)
        return dict(sorted(total.items()))

    def append(
        self,
        episodes: Sequence[Episode],
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        """Write episodes as one new shard: all of them, or none if this raises.

        Other objects and processes may append to the same dataset: they take turns.

        Args:
            episodes: at least one.
            origin: where they come from, as plain data for JSON; kept in the manifest.

        Raises:
            ParameterError: if something else is passed.
            DatasetError: if an episode has wrong lengths or sizes, is not finite in float32, or is
                of another system.
            OutputError: if the shard cannot be written, or others write all the time; the dataset
                stays as it was.
        """
        argument.instance("episodes", episodes, Sequence)
        if not episodes:
            raise DatasetError("Got no episodes to append; expected at least one.")
        plain = plain_origin(origin)
        for index, episode in enumerate(episodes):
            argument.instance(f"episodes[{index}]", episode, Episode)
            check_episode(episode, self.spec, f"Episode {index} of those to append to {self.path}")
        recording = Recording.of(episodes)
        where = f"What is to be appended to {self.path}"
        check(recording, self.spec, where)
        if any(episode.system is not None for episode in episodes):
            load(CHECKED)(recording, self.spec, self.task, where, same=True)
        self._extend(lambda n: [write_shard(self.path / shard_name(n), recording, plain)])

    def take(
        self, other: Dataset, origin: Mapping[str, Any] | None = None, *, once: bool = False
    ) -> None:
        """Add all episodes of another dataset of the same system: all, or none if this raises.

        Files of episodes never change, so both datasets share them where the file system can.

        Args:
            other: the dataset.
            origin: where its episodes come from, as for `append`.
            once: do nothing if there is a shard of that origin already.

        Raises:
            ParameterError: if the origin is no plain data.
            DatasetError: if the other is of another system, or this one was replaced by one.
            OutputError: if nothing can be written, or others write all the time.
        """
        plain = plain_origin(origin)
        expect(other.task, self.task, other.path)
        if other.spec != self.spec:
            raise DatasetError(f"{other.path} is of another system than {self.path}.")

        def share(number: int) -> list[Shard]:
            return [
                share_shard(other.path, shard, self.path / shard_name(place), plain)
                for place, shard in enumerate(other.shards, start=number)
            ]

        with files.writing(self.path):
            self._extend(share, plain if once else None)

    def _extend(
        self, make: Callable[[int], list[Shard]], unless: Mapping[str, Any] | None = None
    ) -> None:
        """Add the shards that are made from the first free number on, unless an origin is there."""
        with writing(self.path):
            # Others may have appended after this one was opened.
            manifest = Dataset.open(self.path, self.task).manifest
            if manifest.spec != self.spec:
                raise DatasetError(
                    f"{self.path} was replaced by a dataset of another system. Open it again."
                )
            if unless is None or all(shard.origin != unless for shard in manifest.shards):
                number = max((shard.number for shard in manifest.shards), default=-1) + 1
                shards = (*manifest.shards, *make(number))
                manifest = msgspec.structs.replace(manifest, shards=shards)
                manifest.write(self.path)
        self.manifest = manifest

    def copy(self, path: str | os.PathLike[str]) -> Dataset:
        """Copy all episodes to another place, all of them or none.

        No collection goes on there that was begun here.

        Raises:
            OutputError: if something is there already, or nothing can be written.
        """
        path = argument.path("path", path)
        unfinished = path.with_name(path.name + UNFINISHED)
        with files.writing(path):
            if unfinished.exists():
                shutil.rmtree(unfinished)
            Dataset.create(unfinished, self.task, self.spec).take(self)
            unfinished.rename(path)
        return Dataset.open(path)

    def load(self, observations: bool = True, actor: str | None = None) -> Recording:
        """Read and check all episodes, or those that were recorded with an actor's.

        Args:
            observations: whether to keep what was observed, which is most of a large dataset. A
                model learns nothing of it but what its sensors read there.
            actor: read only files that hold episodes of this one.

        Raises:
            DatasetError: if a shard is missing, broken or not finite, or there is none.
        """
        shards = [s for s in self.shards if actor is None or actor in s.sources]
        if not shards:
            of = "" if actor is None else f" of {actor}"
            raise DatasetError(
                f"{self.path} is empty: it holds no episode{of}. Record some with "
                "learned_envs.fit.collect."
            )
        recordings, widths = [], set()
        for shard in shards:
            recording = read_shard(self.path, shard, self.spec)
            widths.add(recording.observations.shape[1])
            recordings.append(recording if observations else recording.without_observations())
        if len(widths) > 1:
            raise DatasetError(
                f"{self.path} mixes observations of {sorted(widths)} numbers; expected one size. "
                "Record with one setting of the environment."
            )
        return Recording.join(recordings)


def recognises(path: Path) -> bool:
    """Return whether a dataset of this package lies at a path."""
    return _is_file(path / MANIFEST)


def open_source(path: Path, task: str | None, spec: MakeSpec | None) -> Dataset:
    """Open a dataset; see [`open_dataset`][learned_envs.data.source.open_dataset]."""
    return Dataset.open(path, task)


def _is_file(path: Path) -> bool:
    """Whether there is a file. `Path.is_file` raises if the file system refuses the name."""
    return os.path.isfile(path)  # noqa: PTH113
