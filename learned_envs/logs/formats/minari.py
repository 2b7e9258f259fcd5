"""Datasets of Minari: what was observed and done, episode by episode."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from learned_envs.data.minari_library import expect_whole, find_data, load_minari
from learned_envs.errors import DatasetError, LogError
from learned_envs.logs.stream import ROWS, Array, Block, Run, Stream, chosen, numbers, spread_out


def recognises(path: Path) -> bool:
    """Return whether it is a dataset of Minari."""
    return path.is_dir() and find_data(path) is not None


def runs(path: Path) -> Iterator[MinariEpisode]:
    """Open a dataset: each of its episodes is a run."""
    minari = load_minari()
    data = find_data(path)
    assert data is not None
    folder = data if data.name != "data" else data.parent
    try:
        expect_whole(folder)
        dataset = minari.MinariDataset(folder)
        for episode in dataset.iterate_episodes():
            yield MinariEpisode(path, episode)
    except (DatasetError, OSError, ValueError, KeyError) as error:
        raise LogError(f"{path} cannot be read by Minari: {error}. Record it anew.") from error


@dataclass(frozen=True)
class MinariEpisode(Run):
    """An episode of T steps, in T + 1 rows: the last action stands twice."""

    path: Path
    episode: Any

    @property
    def name(self) -> str:
        """The dataset, and the episode's number."""
        return f"{self.path}:{self.episode.id}"

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Numbers of observations, actions and infos, by their paths."""
        return {"": tuple(self._arrays)}

    def blocks(self, names: Collection[str], rows: int = ROWS) -> Iterator[Block]:
        """Read columns; see `Run`."""
        kept = chosen(self._arrays, names)
        count = len(self.episode.actions) + 1
        for first in range(0, count, rows):
            found = {
                name: numbers(array[first : first + rows], f"{self.name}, column {name!r}", first)
                for name, array in kept.items()
            }
            yield {"": Stream(found, first)}

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        episode, found = self.episode, dict[str, Array]()
        steps = len(episode.actions)
        actions = np.concatenate([episode.actions, episode.actions[-1:]])
        parts = {"observation": episode.observations, "action": actions, "infos": episode.infos}
        for path, array in _leaves("", parts):
            if len(array) == steps + 1 and array.dtype.kind in "biuf" and array.ndim <= 2:
                flat = array.reshape(steps + 1, -1)
                spread = (path,) if array.ndim == 1 else spread_out(path, flat.shape[1])
                found |= {name: flat[:, place] for place, name in enumerate(spread)}
        return found


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Array]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, each)
    elif value is not None:
        yield path, np.asarray(value)
