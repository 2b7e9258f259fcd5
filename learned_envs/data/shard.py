"""One immutable file of whole episodes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from learned_envs.data.check import check
from learned_envs.data.manifest import Shard
from learned_envs.data.recording import ROWS, Array, Recording
from learned_envs.errors import DatasetError
from learned_envs.files import write_whole
from learned_envs.systems.spec import SystemSpec

SOURCE = "source"
"""Which of the manifest's actors took an episode."""
EPISODES = {
    "lengths": np.int64,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "seeds": np.int64,
    SOURCE: np.int32,
}
"""The arrays with one entry for each episode, and how they are stored."""
COLUMN = "column."
"""What the names of a recording's columns begin with."""
ADVICE = "Restore it from a copy, or record the dataset anew."


def write_shard(file: Path, recording: Recording, origin: Mapping[str, Any]) -> Shard:
    """Write a recording and return what a manifest says of it.

    Args:
        file: where to.
        recording: the episodes.
        origin: where they come from, as plain data of JSON.

    Raises:
        OutputError: if it cannot be written; then nothing is there.
    """
    actors = recording.steps_by_actor
    names = list(actors)
    data = tensor_bytes(
        {
            **{name: getattr(recording, name) for name in (*ROWS, *EPISODES) if name != SOURCE},
            **{COLUMN + name: column for name, column in recording.columns.items()},
            SOURCE: np.array([names.index(actor) for actor in recording.actors], dtype=np.int32),
        }
    )
    write_whole(file, data)
    return Shard(
        name=file.name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        episodes=len(recording),
        steps=recording.steps,
        sources=actors,
        origin=dict(origin),
    )


def share_shard(folder: Path, entry: Shard, file: Path, origin: Mapping[str, Any]) -> Shard:
    """Let another file hold what a shard does, and return what a manifest says of it.

    Args:
        folder: the shard's.
        entry: what the manifest there says of it.
        file: the other file. What is there already, and no manifest names, is replaced.
        origin: where the episodes come from.

    Raises:
        OSError: if it cannot be written.
    """
    file.unlink(missing_ok=True)
    try:
        file.hardlink_to(folder / entry.name)
    except OSError:
        shutil.copyfile(folder / entry.name, file)
    return msgspec.structs.replace(entry, name=file.name, origin=dict(origin))


def read_shard(folder: Path, entry: Shard, spec: SystemSpec) -> Recording:
    """Read and check the shard that a manifest's entry names.

    Raises:
        DatasetError: if it is missing or broken, or its episodes are, or if it is not as the
            entry says.
    """
    file = folder / entry.name
    see_shard(folder, entry)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}). {ADVICE}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise DatasetError(
            f"{file} is corrupt: its sha256 is {found[:12]}..., the manifest has "
            f"{entry.sha256[:12]}.... {ADVICE}"
        )
    try:
        arrays = read_tensors(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is not a safetensors file ({error}). {ADVICE}") from error
    recording = _recording(arrays, entry, file)
    check(recording, spec, str(file))
    got = (len(recording), recording.steps, recording.steps_by_actor)
    if got != (entry.episodes, entry.steps, entry.sources):
        raise DatasetError(
            f"{file} has {got[0]} episodes of {got[1]} steps by {got[2]}, the manifest has "
            f"{entry.episodes} of {entry.steps} by {entry.sources}. {ADVICE}"
        )
    return recording


def see_shard(folder: Path, entry: Shard) -> None:
    """Check that a shard is there, in its folder, and of its size, without reading it.

    Raises:
        DatasetError: if it is not.
    """
    file = folder / entry.name
    try:
        found = file.stat().st_size if file.is_file() else None
        outside = file.is_symlink() and file.resolve().parent != folder.resolve()
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"{file} cannot be read ({error}). {ADVICE}") from error
    if outside:
        raise DatasetError(
            f"{file} is a link that leads out of the dataset; expected a file in it. Copy the "
            "file there."
        )
    if found != entry.bytes:
        state = "missing" if found is None else f"truncated or changed: {found} bytes"
        raise DatasetError(f"{file} is {state}; the manifest has {entry.bytes} bytes. {ADVICE}")


def _recording(arrays: Mapping[str, Array], entry: Shard, file: Path) -> Recording:
    """Lay the arrays of a file out as a recording.

    Raises:
        DatasetError: if one is missing, unknown, of another type or shape, or if the numbers of
            actors or steps cannot be.
    """
    missing = [name for name in (*ROWS, *EPISODES) if name not in arrays]
    if missing:
        raise DatasetError(
            f"{file} has no {', '.join(missing)}; a model is fitted to full states, so qpos and "
            "qvel are needed. Record the dataset with learned_envs.fit.collect."
        )
    for name, array in arrays.items():
        kind = {**ROWS, **EPISODES}.get(name, np.float64 if name.startswith(COLUMN) else None)
        if kind is None or array.dtype != kind or (name in EPISODES and array.ndim != 1):
            expected = "no such array" if kind is None else np.dtype(kind).name
            raise DatasetError(
                f"{file} has {name!r:.80} of {array.dtype} and shape {array.shape}, expected "
                f"{expected}. {ADVICE}"
            )
    names, source = list(entry.sources), arrays[SOURCE]
    if source.min(initial=0) < 0 or source.max(initial=0) >= len(names):
        raise DatasetError(
            f"{file} names actors {source.min()} to {source.max()}, the manifest has "
            f"{len(names)}. {ADVICE}"
        )
    return Recording(
        **{name: arrays[name] for name in (*ROWS, *EPISODES) if name != SOURCE},
        actors=tuple(names[index] for index in source),
        columns={
            name.removeprefix(COLUMN): array
            for name, array in arrays.items()
            if name.startswith(COLUMN)
        },
    )
