"""Write datasets in Minari's format."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs import argument
from learned_envs.data.minari_library import ID, ROOT, SCHEME, id_of, load_minari, missing, root
from learned_envs.data.recording import Episode
from learned_envs.data.source import Source
from learned_envs.errors import OutputError, ParameterError


def export_minari(dataset: Source, out: str | os.PathLike[str]) -> Path:
    """Write a dataset in Minari's format.

    The states, which Minari's episodes have no place for, are `qpos` and `qvel` in the infos.
    `minari.MinariDataset(PATH / "data")` opens what is written, and `minari.load_dataset(ID)` what
    lies below Minari's root.

    Args:
        dataset: what to write.
        out: a directory that does not exist yet; or an id such as "mujoco/hopper/mine-v0", which
            goes below Minari's root. What could be both is a directory if the folder that it
            would lie in exists. `minari:` before an id makes it one in any case.

    Returns:
        The directory.

    Raises:
        DatasetError: if the dataset cannot be read.
        OutputError: if there is something already, or it cannot be written.
        ParameterError: if what follows `minari:` is no id.
        DependencyError: if Minari is not installed.
    """
    argument.function("dataset.load", getattr(dataset, "load", None))
    path = _destination(out)
    minari = load_minari()
    if path.exists():
        raise OutputError(f"{path} exists already. Give a path or an id that does not exist yet.")
    recording = dataset.load()
    episodes = [recording.episode(index) for index in range(len(recording))]
    name = _id_for(path) or f"{dataset.task.lower()}-collected-v0"
    namespace = name.rpartition("/")[0] if path == root() / name else ""
    try:
        with _root_beside(path) as temporary:
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
            (temporary / name).rename(path)
        # Another process may make the same namespace.
        if namespace and namespace not in minari.namespace.list_local_namespaces():
            with suppress(ValueError):
                minari.namespace.create_namespace(namespace)
    except ImportError as error:
        raise missing(error) from error
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error}. Give another path.") from error
    return path


def _destination(out: str | os.PathLike[str]) -> Path:
    """Return the directory that a path or an id stands for."""
    text, identity = os.fspath(out), id_of(out)
    if text.startswith(SCHEME):
        if identity is None:
            raise ParameterError(
                f"Got {text}, expected an id such as {SCHEME}mujoco/hopper/mine-v0."
            )
        return root() / identity
    path = argument.path("out", out)
    if identity is not None and "/" in identity and not path.parent.exists():
        return root() / identity
    return path


def _id_for(path: Path) -> str | None:
    """Return the id of a dataset in a directory; None if its name cannot be one."""
    # Minari lists a dataset if its id is where it lies below the root.
    for name in (path.relative_to(root()) if path.is_relative_to(root()) else None, path.name):
        if name is not None and ID.fullmatch(Path(name).as_posix()):
            return Path(name).as_posix()
    return None


def _buffer(episode: Episode) -> Any:
    from minari.data_collector import EpisodeBuffer

    ends = np.zeros((2, len(episode.rewards)), dtype=bool)
    ends[:, -1] = episode.terminated, episode.truncated
    columns = {"columns": dict(episode.columns)} if episode.columns else {}
    return EpisodeBuffer(
        seed=None if episode.seed < 0 else episode.seed,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends[0],
        truncations=ends[1],
        infos={"qpos": episode.qpos, "qvel": episode.qvel, **columns},
    )


@contextmanager
def _root_beside(path: Path) -> Iterator[Path]:
    """Point Minari, which writes below a root by id, to a temporary root beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".minari-", dir=path.parent.absolute()))
    before = os.environ.get(ROOT)
    os.environ[ROOT] = str(temporary)
    try:
        with warnings.catch_warnings():
            # It asks for an author and an address, which a file of your own does not need.
            warnings.simplefilter("ignore", UserWarning)
            yield temporary
    finally:
        if before is None:
            del os.environ[ROOT]
        else:
            os.environ[ROOT] = before
        shutil.rmtree(temporary, ignore_errors=True)
