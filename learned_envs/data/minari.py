"""Read datasets in Minari's format, and write them.

Minari is an exchange format here. A model is fitted to full states. Minari's episodes can hold
them only in `infos`, where `export_minari` puts `qpos` and `qvel`.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs.data.check import check_episode
from learned_envs.data.recording import ROWS, Episode, Recording
from learned_envs.data.source import ImportedDataset, MakeSpec, Source
from learned_envs.errors import DatasetError, DependencyError, OutputError
from learned_envs.registry import task_of
from learned_envs.systems.spec import SystemSpec

DATA = "main_data.hdf5"


def recognises(path: Path) -> bool:
    """Return whether a Minari dataset lies at a path."""
    return _data_folder(path) is not None


def open_source(path: Path, task: str | None, spec: MakeSpec | None) -> ImportedDataset:
    """Read a Minari dataset; see [`open_dataset`][learned_envs.data.source.open_dataset]."""
    if task is None or spec is None:
        raise DatasetError(
            f"{path} is a Minari dataset, which does not hold its task and system. Say which: "
            "open_dataset(path, task, spec)."
        )
    return import_minari(path, task, spec())


def import_minari(path: str | os.PathLike[str], task: str, spec: SystemSpec) -> ImportedDataset:
    """Read a Minari dataset of the task's reference environment.

    Args:
        path: its directory, as below Minari's root, or the `data` in it.
        task: name of the task.
        spec: the system that its reference environment simulates.

    Raises:
        DatasetError: if it is missing, broken, empty, of another environment, or without full
            qpos and qvel in its infos.
        DependencyError: if Minari is not installed.
    """
    path, task = Path(path), task_of(task)
    folder = _data_folder(path)
    if folder is None:
        raise DatasetError(
            f"No Minari dataset at {path}: expected {DATA} in it or in its folder `data`. Give "
            "the directory of one, such as ~/.minari/datasets/NAME."
        )
    minari = _minari()
    try:
        dataset = minari.MinariDataset(folder)
        _expect_environment(dataset.env_spec, spec.reference_id, path)
        default = f"minari:{dataset.id}"
        metadata = dataset.storage.get_episode_metadata(dataset.episode_indices)
        episodes = [
            _episode(episode, dict(meta), default, f"Episode {episode.id} of {path}")
            for episode, meta in zip(dataset.iterate_episodes(), metadata, strict=True)
        ]
    except DatasetError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AssertionError, RuntimeError) as error:
        raise DatasetError(
            f"{path} cannot be read by Minari ({type(error).__name__}: {error}). Restore it "
            "from a copy, or download or record it anew."
        ) from error
    if not episodes:
        raise DatasetError(f"{path} is empty: it holds no episode. Record the dataset anew.")
    for index, episode in enumerate(episodes):
        check_episode(episode, spec, f"Episode {index} of {path}")
    with (folder / DATA).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ImportedDataset(path, task, spec, digest, Recording.of(episodes))


def export_minari(dataset: Source, path: str | os.PathLike[str]) -> None:
    """Write a dataset in Minari's format.

    `minari.MinariDataset(path / "data")` opens it. So does `minari.load_dataset(NAME)` if `path`
    is NAME below Minari's root, and NAME ends in -vN.

    Args:
        dataset: what to write.
        path: a directory that does not exist yet.

    Raises:
        DatasetError: if the dataset cannot be read.
        OutputError: if `path` exists, or cannot be written.
        DependencyError: if Minari is not installed.
    """
    path = Path(path)
    minari = _minari()
    if path.exists():
        raise OutputError(f"{path} exists already. Give a path that does not exist yet.")
    recording = dataset.load()
    episodes = [recording.episode(index) for index in range(len(recording))]
    name = path.name if re.fullmatch(r"[-\w]+-v\d+", path.name) else None
    name = name or f"{dataset.task.lower()}-collected-v0"
    try:
        with _root_beside(path) as root:
            written = minari.create_dataset_from_buffers(
                name,
                [_buffer(episode) for episode in episodes],
                env=dataset.spec.reference_id,
                algorithm_name=", ".join(dataset.actors),
                description=f"{dataset.task} by learned-envs; qpos and qvel are in the infos.",
                data_format="hdf5",
            )
            # Minari keeps a seed only if it is not None, and has no place for the actor.
            written.storage.update_episode_metadata([{"source": e.actor} for e in episodes])
            (root / name).rename(path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error}.") from error


def _minari() -> Any:
    try:
        importlib.import_module("h5py")
        return importlib.import_module("minari")
    except ImportError as error:
        raise DependencyError(
            f"Minari datasets need the optional extra ({error}): "
            'pip install "learned-envs[minari]".'
        ) from error


def _data_folder(path: Path) -> Path | None:
    folders = (path, path / "data")
    return next((folder for folder in folders if (folder / DATA).is_file()), None)


def _expect_environment(env_spec: Any, reference_id: str, path: Path) -> None:
    got = None if env_spec is None else env_spec.id
    if got not in (None, reference_id):
        raise DatasetError(
            f"{path} is a dataset of {got}, expected one of {reference_id}. Give a dataset of "
            "that environment."
        )
    changed = {"xml_file", "frame_skip"} & set(env_spec.kwargs if env_spec is not None else ())
    if changed:
        raise DatasetError(
            f"{path} was recorded with another {', '.join(sorted(changed))} than "
            f"{reference_id}'s own; expected its own. Record the dataset anew."
        )


def _episode(episode: Any, metadata: dict[str, Any], actor: str, where: str) -> Episode:
    infos = episode.infos or {}
    missing = [name for name in ("qpos", "qvel") if name not in infos]
    if missing:
        raise DatasetError(
            f"{where} has no {' and no '.join(missing)} in its infos (they hold "
            f"{', '.join(sorted(infos)) or 'nothing'}). A model is fitted to full states, which "
            "Minari's public mujoco datasets do not hold. Record with learned_envs.fit.collect, "
            "or give a dataset that export_minari wrote."
        )
    arrays = {**infos, **vars(episode)}
    seed = metadata.get("seed")
    rows: dict[str, Any] = {n: np.asarray(arrays[n], dtype=kind) for n, kind in ROWS.items()}
    return Episode(
        **rows,
        terminated=bool(np.any(episode.terminations[-1:])),
        truncated=bool(np.any(episode.truncations[-1:])),
        seed=-1 if seed is None else int(seed),
        actor=str(metadata.get("source", actor)),
    )


def _buffer(episode: Episode) -> Any:
    from minari.data_collector import EpisodeBuffer

    ends = np.zeros((2, len(episode.rewards)), dtype=bool)
    ends[:, -1] = episode.terminated, episode.truncated
    return EpisodeBuffer(
        seed=None if episode.seed < 0 else episode.seed,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends[0],
        truncations=ends[1],
        infos={"qpos": episode.qpos, "qvel": episode.qvel},
    )


@contextmanager
def _root_beside(path: Path) -> Iterator[Path]:
    """Point Minari, which writes below a root by id, to a temporary root beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix=".minari-", dir=path.parent))
    variable = "MINARI_DATASETS_PATH"
    before = os.environ.get(variable)
    os.environ[variable] = str(root)
    try:
        with warnings.catch_warnings():
            # It asks for an author and an address, which a file of your own does not need.
            warnings.simplefilter("ignore", UserWarning)
            yield root
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
        shutil.rmtree(root, ignore_errors=True)
