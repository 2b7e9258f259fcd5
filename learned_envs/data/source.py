"""Where recorded episodes come from, and the formats that they are read from."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Protocol

from learned_envs import argument
from learned_envs.data.recording import Recording
from learned_envs.entry_point import load
from learned_envs.errors import DatasetError
from learned_envs.registry import same_task
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import CHECKED

FORMATS = ("learned_envs.data.minari", "learned_envs.data.dataset")
"""Modules of the formats that `open_dataset` reads, one for each, in the order in which they are
asked. Each has `recognises(path)` and `open_source(path, task, spec)`."""


class Source(Protocol):
    """Where recorded episodes come from.

    It is a [`Dataset`][learned_envs.data.dataset.Dataset], or one of another format.
    """

    @property
    def path(self) -> Path:
        """The directory."""

    @property
    def task(self) -> str:
        """Name of the task that was recorded."""

    @property
    def spec(self) -> SystemSpec:
        """The system that was recorded."""

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""

    @property
    def episodes(self) -> int:
        """Number of episodes."""

    @property
    def digest(self) -> str:
        """Sha256 that tells this data from any other."""

    @property
    def actors(self) -> dict[str, int]:
        """How many steps each actor took, by name."""

    def load(self, observations: bool = True) -> Recording:
        """Read and check all episodes, with what was observed or without."""


@dataclass(frozen=True)
class ImportedDataset:
    """Episodes of one task that were read from another format. It is a `Source`.

    Attributes:
        path: where they were read from.
        task: name of the task.
        spec: the system.
        digest: sha256 of what they were read from.
        recording: the episodes.
        note: a sentence on what was rebuilt and what was left out; empty if all is as it was.
        parameters: those of the environment that was recorded which are not the task's own; they
            change what is observed and paid.
    """

    path: Path
    task: str
    spec: SystemSpec
    digest: str
    recording: Recording
    note: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""
        return self.recording.steps

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.recording)

    @property
    def actors(self) -> dict[str, int]:
        """How many steps each actor took, by name."""
        return self.recording.steps_by_actor

    def load(self, observations: bool = True) -> Recording:
        """Return the episodes, with what was observed or without."""
        return self.recording if observations else self.recording.without_observations()


MakeSpec = Callable[[], SystemSpec]
"""Makes the spec of the system, which is asked of it only if a format does not hold one."""


class Format(Protocol):
    """What a module of `FORMATS` offers."""

    def recognises(self, path: Path) -> bool:
        """Return whether what lies at a path, or bears that name, is of this format."""

    def open_source(self, path: Path, task: str | None, spec: MakeSpec | None) -> Source:
        """Open it; see [`open_dataset`][learned_envs.data.source.open_dataset]."""


def open_dataset(
    path: str | os.PathLike[str], task: str | None = None, spec: MakeSpec | None = None
) -> Source:
    """Open what lies at `path`, in whichever of the `FORMATS` it is.

    Args:
        path: the directory, or a name that a format knows, such as an id of Minari.
        task: the task that it must be of; None takes any.
        spec: makes the system's spec, which formats other than this package's do not hold.

    Raises:
        DatasetError: if there is none, or it is broken or of another task, or if its format does
            not hold task and system, and they are not given.
        DependencyError: if a library that reads the format is not installed.
    """
    path = argument.path("path", path)
    argument.instance("task", task, str, NoneType)
    formats: list[Format] = [importlib.import_module(name) for name in FORMATS]
    # If nobody recognises it, the last one, this package's own, says what it expected.
    found = next((format for format in formats if format.recognises(path)), formats[-1])
    source = found.open_source(path, task, spec)
    if isinstance(source, ImportedDataset):
        where, parameters = str(source.path), source.parameters
        load(CHECKED)(source.recording, source.spec, source.task, where, parameters)
    return source


def expect(got: str, task: str, path: Path) -> None:
    """Check that a dataset is of the task that it is to be used for.

    Raises:
        DatasetError: if it is not.
    """
    if not same_task(got, task):
        raise DatasetError(
            f"{path} is a dataset of {got}, expected one of {task}. Give a dataset of {task}."
        )
