"""Read datasets in Minari's format, in whatever way Minari stores them.

Minari is an exchange format here. A model is fitted to full states. Minari's episodes can hold
them only in `infos`, where `export_minari` puts `qpos` and `qvel`. Where they do not, as in the
public mujoco sets, whoever knows the task may rebuild them from the observations.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs import argument
from learned_envs.data.check import check_episode
from learned_envs.data.minari_export import export_minari
from learned_envs.data.minari_library import (
    HDF5,
    METADATA,
    expect_whole,
    find_data,
    id_of,
    load_minari,
    missing,
    root,
)
from learned_envs.data.observed import Observed, Rebuild
from learned_envs.data.recording import ROWS, Episode, Recording
from learned_envs.data.source import ImportedDataset, MakeSpec
from learned_envs.entry_point import load
from learned_envs.errors import DatasetError, RebuiltDataWarning
from learned_envs.registry import task_class, task_entry, task_of
from learned_envs.systems.spec import SystemSpec

__all__ = ["export_minari", "import_minari", "open_source", "recognises"]

REBUILD = "learned_envs.collect.rebuild:rebuild_states"
"""What makes full states of observations. It knows the task and the simulator; this does not."""

HARMLESS = {
    "Autoreset",
    "DataCollector",
    "HumanRendering",
    "Monitor",
    "OrderEnforcing",
    "PassiveEnvChecker",
    "RecordEpisodeStatistics",
    "RecordVideo",
    "Recorder",
    "RenderCollection",
    "TimeLimit",
}
"""Wrappers that change neither actions nor observations nor rewards."""

REWARDS = {"ClipReward", "NormalizeReward", "TransformReward"}
"""Wrappers that change rewards alone, which only matters if states are rebuilt from them."""

PICTURES = {
    "camera_id",
    "camera_name",
    "default_camera_config",
    "height",
    "max_geom",
    "render_mode",
    "visual_options",
    "width",
}
"""Parameters of Gymnasium's MuJoCo environments that only change what is drawn."""


def recognises(path: str | os.PathLike[str]) -> bool:
    """Return whether a Minari dataset lies at a path, or what is not there may be an id."""
    # What is nowhere may be an id: then Minari knows how to get it. os.path never raises.
    nowhere = not os.path.exists(path)  # noqa: PTH110
    return find_data(path) is not None or (nowhere and id_of(path) is not None)


def open_source(
    path: str | os.PathLike[str], task: str | None, spec: MakeSpec | None
) -> ImportedDataset:
    """Read a Minari dataset; see [`open_dataset`][learned_envs.data.source.open_dataset]."""
    _folder(path)
    if task is None or spec is None:
        raise DatasetError(
            f"{path} is a Minari dataset, which does not hold its task and system. Say which: "
            "open_dataset(path, task, spec)."
        )
    return import_minari(path, task, spec())


def import_minari(path: str | os.PathLike[str], task: str, spec: SystemSpec) -> ImportedDataset:
    """Read a Minari dataset of the task's reference environment.

    Args:
        path: its directory, the `data` in it, or its id below Minari's root.
        task: name of the task.
        spec: the system that its reference environment simulates.

    Raises:
        DatasetError: if it is missing, broken, empty, of another environment or a changed one,
            or if it has no full qpos and qvel in its infos and they cannot be rebuilt.
        DependencyError: if Minari, or what it needs to read the format, is not installed.

    Warns:
        RebuiltDataWarning: if states were rebuilt; it says how, and what was left out.
    """
    task, folder = task_of(task), _folder(argument.path("path", path))
    minari = load_minari()
    try:
        _expect_spaces(folder)
        expect_whole(folder)
        dataset = minari.MinariDataset(folder)
        parameters = _parameters(dataset.env_spec, task, spec, path)
        metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
        episodes = [
            _observed(
                episode, dict(meta), f"minari:{dataset.id}", f"Episode {episode.id} of {path}"
            )
            for episode, meta in zip(dataset.iterate_episodes(), metadata, strict=True)
        ]
        if not episodes:
            raise DatasetError(f"{path} is empty: it holds no episode. Record the dataset anew.")
        full, note = _states(episodes, task, spec, parameters, dataset.env_spec)
        digest = _digest(folder)
    except DatasetError:
        raise
    except ImportError as error:
        raise missing(error) from error
    except Exception as error:
        # Each library that Minari reads with has errors of its own for what is broken.
        raise DatasetError(
            f"{path} cannot be read by Minari ({type(error).__name__}: {error}). Restore it "
            "from a copy, or download or record it anew."
        ) from error
    for index, episode in enumerate(full):
        check_episode(episode, spec, f"Episode {index} of {path}")
    if note:
        warnings.warn(f"{path}: {note}", RebuiltDataWarning, stacklevel=2)
    recording = Recording.of(full)
    # Observations that were rebuilt are those of the reference's own settings.
    observed = {} if note else parameters
    return ImportedDataset(Path(path), task, spec, digest, recording, note, observed)


def _folder(path: str | os.PathLike[str]) -> Path:
    """Return where a dataset's data is.

    Raises:
        DatasetError: if it is nowhere.
    """
    folder = find_data(path)
    if folder is None:
        raise DatasetError(
            f"No Minari dataset at {path}: expected a folder with {METADATA} in it or in its "
            f"folder `data`, or an id below {root()}. Give the directory of one, or download it: "
            f"minari download {id_of(path) or 'ID'}."
        )
    return folder


def _expect_spaces(folder: Path) -> None:
    """Check that a dataset says its spaces. If not, Minari would run code that the file names."""
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    if not all(
        isinstance(metadata.get(f"{name}_space"), str) for name in ("observation", "action")
    ):
        raise DatasetError(
            f"{folder / METADATA} does not say the spaces of observations and actions. Write the "
            "dataset anew with today's Minari."
        )


def _parameters(env_spec: Any, task: str, spec: SystemSpec, path: object) -> Mapping[str, Any]:
    """Return the parameters that an environment was made with, if its system is the reference's.

    Raises:
        DatasetError: if the dataset says that it is of another environment, or a changed one.
    """
    if env_spec is None:
        return {}
    if env_spec.id != spec.reference_id:
        raise DatasetError(
            f"{path} is a dataset of {env_spec.id}, expected one of {spec.reference_id}. Give a "
            "dataset of that environment."
        )
    wrappers = [wrapper.name for wrapper in env_spec.additional_wrappers or ()]
    if changing := [name for name in wrappers if name not in HARMLESS | REWARDS]:
        raise DatasetError(
            f"{path} was recorded through {', '.join(changing)}, so its actions or observations "
            f"may not be those of {spec.reference_id}. Record the dataset with the collector "
            "below such wrappers."
        )
    own = {"frame_skip": spec.frame_skip, **task_entry(task).kwargs}
    given = {name: value for name, value in (env_spec.kwargs or {}).items() if name not in PICTURES}
    changed = {name: value for name, value in given.items() if own.get(name, given) != value}
    of_task = {field.name for field in fields(task_class(task))} - {"spec"}
    if others := [name for name in changed if name not in of_task]:
        raise DatasetError(
            f"{path} was recorded with another {', '.join(others)} than {spec.reference_id}'s own: "
            f"{', '.join(f'{name}={changed[name]!r}' for name in others)}. Record the dataset "
            "anew, or register a task with that environment."
        )
    return changed


def _observed(episode: Any, metadata: dict[str, Any], actor: str, where: str) -> Observed:
    seed = metadata.get("seed")
    return Observed(
        observations=np.asarray(episode.observations),
        actions=np.asarray(episode.actions),
        rewards=np.asarray(episode.rewards),
        infos=episode.infos or {},
        terminated=bool(np.any(episode.terminations[-1:])),
        truncated=bool(np.any(episode.truncations[-1:])),
        # Minari draws seeds of 64 bits.
        seed=-1 if seed is None or int(seed) >= 2**63 else int(seed),
        actor=str(metadata.get("source", actor)),
        where=where,
    )


def _episode(episode: Observed) -> Episode:
    arrays = {**episode.infos, **vars(episode)}
    rows: dict[str, Any] = {n: np.asarray(arrays[n], dtype=kind) for n, kind in ROWS.items()}
    return Episode(
        **rows,
        terminated=episode.terminated,
        truncated=episode.truncated,
        seed=episode.seed,
        actor=episode.actor,
        columns={
            name: np.asarray(column, dtype=np.float64)
            for name, column in episode.infos.get("columns", {}).items()
        },
    )


def _states(
    episodes: list[Observed],
    task: str,
    spec: SystemSpec,
    parameters: Mapping[str, Any],
    env_spec: Any,
) -> tuple[list[Episode], str]:
    """Return episodes with their states, and a note on those that were rebuilt.

    Raises:
        DatasetError: if they have none and these cannot be rebuilt.
    """
    first = next((episode for episode in episodes if episode.missing), None)
    if first is None:
        return [_episode(episode) for episode in episodes], ""
    lacking = (
        f"{first.where} has no {' and no '.join(first.missing)} in its infos (they hold "
        f"{', '.join(sorted(map(str, first.infos))) or 'nothing'}). A model is fitted to full "
        "states, which Minari's public mujoco datasets do not hold."
    )
    if any(len(episode.missing) < 2 for episode in episodes):
        raise DatasetError(
            f"{lacking} Others of its episodes do. Record with learned_envs.fit.collect, or give a "
            "dataset that export_minari wrote."
        )
    if env_spec is None:
        raise DatasetError(
            f"{lacking} They cannot be rebuilt, because the dataset does not say its environment. "
            "Write it anew with Minari's `env`."
        )
    wrappers = [wrapper.name for wrapper in env_spec.additional_wrappers or ()]
    if changing := [name for name in wrappers if name in REWARDS]:
        raise DatasetError(
            f"{lacking} They cannot be rebuilt, because it was recorded through "
            f"{', '.join(changing)}, and the rewards say how far the system moved."
        )
    rebuild: Rebuild = load(REBUILD)
    try:
        return rebuild(task, spec, parameters, episodes)
    except DatasetError as error:
        raise DatasetError(f"{lacking} They cannot be rebuilt: {error}") from error


def _digest(folder: Path) -> str:
    """Return the sha256 of all files of data, as one."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != METADATA)
    if [file.name for file in files] == [HDF5]:
        with files[0].open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            found.update(file.relative_to(folder).as_posix().encode())
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()
