"""One immutable file of whole episodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from learned_envs.data.check import check
from learned_envs.data.manifest import Shard
from learned_envs.data.recording import ROWS, Recording
from learned_envs.errors import DatasetError
from learned_envs.files import write_whole
from learned_envs.systems.spec import SystemSpec

SHARD = "shard-"
SUFFIX = ".safetensors"
EPISODES = ("lengths", "terminated", "truncated", "seeds")
COLUMN = "column."
"""What the names of a recording's columns begin with."""


def write_shard(file: Path, recording: Recording, origin: Mapping[str, Any]) -> Shard:
    """Write a recording and return what a manifest says of it.

    Args:
        file: where to.
        recording: the episodes.
        origin: where they come from, as plain data for JSON.

    Raises:
        OutputError: if it cannot be written; then nothing is there.
    """
    plain_origin = json.loads(json.dumps({**origin}, allow_nan=False))
    actors = recording.steps_by_actor
    names = list(actors)
    data = tensor_bytes(
        {
            **{name: getattr(recording, name) for name in (*ROWS, *EPISODES)},
            **{COLUMN + name: column for name, column in recording.columns.items()},
            "source": np.array([names.index(actor) for actor in recording.actors], dtype=np.int32),
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
        origin=plain_origin,
    )


def read_shard(folder: Path, entry: Shard, spec: SystemSpec) -> Recording:
    """Read and check the shard that a manifest's entry names.

    Raises:
        DatasetError: if it is missing or broken, or its episodes are.
    """
    file = folder / entry.name
    see_shard(file, entry.bytes)
    data = file.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise DatasetError(
            f"{file} is corrupt: its sha256 is {found[:12]}..., the manifest has "
            f"{entry.sha256[:12]}.... Restore it from a copy, or record the dataset anew."
        )
    try:
        arrays = read_tensors(data)
    except SafetensorError as error:
        raise DatasetError(
            f"{file} is not a safetensors file ({error}). Record the dataset anew."
        ) from error
    missing = [name for name in (*ROWS, *EPISODES, "source") if name not in arrays]
    if missing:
        raise DatasetError(
            f"{file} has no {', '.join(missing)}; a model is fitted to full states, so qpos and "
            "qvel are needed. Record the dataset with learned_envs.fit.collect."
        )
    names = list(entry.sources)
    recording = Recording(
        **{name: arrays[name] for name in (*ROWS, *EPISODES)},
        actors=tuple(names[index] for index in arrays["source"]),
        columns={
            name.removeprefix(COLUMN): array
            for name, array in arrays.items()
            if name.startswith(COLUMN)
        },
    )
    check(recording, spec, str(file))
    return recording


def see_shard(file: Path, size: int) -> None:
    """Check that a shard is there and of its size, without reading it.

    Raises:
        DatasetError: if it is not.
    """
    found = file.stat().st_size if file.is_file() else None
    if found != size:
        state = "missing" if found is None else f"truncated or changed: {found} bytes"
        raise DatasetError(
            f"{file} is {state}; the manifest has {size} bytes. Restore it from a copy, or "
            "record the dataset anew."
        )
