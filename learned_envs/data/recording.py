"""Recorded episodes in memory: one, or many laid end to end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from learned_envs.errors import DatasetError
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec

Array = npt.NDArray[Any]

ROWS = {
    "qpos": np.float64,
    "qvel": np.float64,
    "observations": np.float64,
    "actions": np.float32,
    "rewards": np.float64,
}
"""The arrays with one row for each state, and how they are stored."""


@dataclass(frozen=True)
class Episode:
    """One episode of T >= 1 steps.

    Attributes:
        qpos: (T + 1, nq) float64.
        qvel: (T + 1, nv) float64.
        observations: (T + 1, n) float64.
        actions: (T, nu) float32, as the environment below all wrappers was given them.
        rewards: (T,) float64.
        terminated: whether the task ended it.
        truncated: whether it was cut short.
        seed: what its reset was seeded with; -1 if it was not.
        actor: who acted, such as "random" or "agent:NAME".
        columns: (T + 1, n) float64 each, by name: leaves of the state beside qpos and qvel, and
            what sensors read that the observation does not hold.
        system: what was recorded, if it was asked.
    """

    qpos: Array
    qvel: Array
    observations: Array
    actions: Array
    rewards: Array
    terminated: bool
    truncated: bool
    seed: int
    actor: str
    columns: Mapping[str, Array] = field(default_factory=dict)
    system: SystemSpec | None = None


@dataclass(frozen=True)
class Recording:
    """Episodes laid end to end: E episodes in N = sum(lengths + 1) rows.

    An episode of T steps has T + 1 rows, one for each state. The action and the reward of its last
    row are zeros, so one index serves every array: step `i` goes from row `i` to row `i + 1`.

    Attributes:
        qpos: (N, nq) float64.
        qvel: (N, nv) float64.
        observations: (N, n) float64.
        actions: (N, nu) float32.
        rewards: (N,) float64.
        lengths: (E,) int64, steps of each episode.
        terminated: (E,) bool.
        truncated: (E,) bool.
        seeds: (E,) int64.
        actors: (E,) who acted in each episode.
        columns: (N, n) float64 each, as an episode's.
    """

    qpos: Array
    qvel: Array
    observations: Array
    actions: Array
    rewards: Array
    lengths: Array
    terminated: Array
    truncated: Array
    seeds: Array
    actors: tuple[str, ...]
    columns: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> Recording:
        """Lay episodes, at least one, end to end.

        Raises:
            DatasetError: if they do not hold the same columns.
        """

        def rows(name: str, dtype: Any) -> Array:
            parts: list[Array] = []
            for episode in episodes:
                part = np.asarray(getattr(episode, name), dtype=dtype)
                parts.append(part)
                if name in ("actions", "rewards"):
                    parts.append(np.zeros((1, *part.shape[1:]), dtype=dtype))
            return np.concatenate(parts)

        return cls(
            **{name: rows(name, dtype) for name, dtype in ROWS.items()},
            lengths=np.array([len(episode.rewards) for episode in episodes], dtype=np.int64),
            terminated=np.array([episode.terminated for episode in episodes], dtype=bool),
            truncated=np.array([episode.truncated for episode in episodes], dtype=bool),
            seeds=np.array([episode.seed for episode in episodes], dtype=np.int64),
            actors=tuple(episode.actor for episode in episodes),
            columns=_joined([episode.columns for episode in episodes]),
        )

    @classmethod
    def join(cls, recordings: Sequence[Recording]) -> Recording:
        """Lay recordings, at least one, end to end; it raises what `of` raises."""
        names = (*ROWS, "lengths", "terminated", "truncated", "seeds")
        arrays = {name: np.concatenate([getattr(r, name) for r in recordings]) for name in names}
        return cls(
            **arrays,
            actors=tuple(actor for recording in recordings for actor in recording.actors),
            columns=_joined([recording.columns for recording in recordings]),
        )

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.lengths)

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""
        return int(self.lengths.sum())

    @property
    def steps_by_actor(self) -> dict[str, int]:
        """How many steps each actor took, by name."""
        counts = dict.fromkeys(sorted(set(self.actors)), 0)
        for actor, length in zip(self.actors, self.lengths, strict=True):
            counts[actor] += int(length)
        return counts

    @cached_property
    def offsets(self) -> Array:
        """First row of each episode, (E,) int64."""
        ends = np.cumsum(self.lengths + 1)
        return np.asarray(ends - self.lengths - 1)

    def episode(self, index: int) -> Episode:
        """Return one episode as views of its rows."""
        start, length = int(self.offsets[index]), int(self.lengths[index])
        rows = slice(start, start + length + 1)
        steps = slice(start, start + length)
        return Episode(
            self.qpos[rows],
            self.qvel[rows],
            self.observations[rows],
            self.actions[steps],
            self.rewards[steps],
            bool(self.terminated[index]),
            bool(self.truncated[index]),
            int(self.seeds[index]),
            self.actors[index],
            {name: column[rows] for name, column in self.columns.items()},
        )

    def select(self, episodes: Iterable[int] | Array) -> Recording:
        """Return the episodes of these indices, in their order."""
        index = np.asarray(list(episodes), dtype=np.int64)
        rows = spans(self.offsets[index], self.lengths[index] + 1)
        return Recording(
            **{name: getattr(self, name)[rows] for name in ROWS},
            lengths=self.lengths[index],
            terminated=self.terminated[index],
            truncated=self.truncated[index],
            seeds=self.seeds[index],
            actors=tuple(self.actors[i] for i in index),
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def without_observations(self) -> Recording:
        """Return the episodes, as views, with observations of no numbers."""
        return replace(self, observations=np.empty((len(self.observations), 0)))

    def readings(self, sensor: Sensor) -> Array:
        """Return what a sensor read in each state, (N, size).

        Raises:
            DatasetError: if that was not recorded.
        """
        if sensor.place is not None:
            return np.asarray(self.observations[:, sensor.columns])
        if sensor.name not in self.columns:
            raise DatasetError(
                f"Got a recording without {sensor.name!r}, which the observation does not hold; "
                f"it has {', '.join(self.columns) or 'no columns'}. Record the dataset anew."
            )
        return self.columns[sensor.name]

    def split(self, fraction: float, seed: int) -> tuple[Recording, Recording]:
        """Split by episode, so that no held-out state has a neighbour in the rest.

        If episodes are added to a recording, those that were there stay on their side. So what a
        model was trained on is not held out when its training goes on.

        Args:
            fraction: the chance, between 0 and 1, of an episode to be held out. At least one is,
                and at least one is not.
            seed: decides which.

        Returns:
            The rest, and what is held out.

        Raises:
            DatasetError: if there are fewer than two episodes.
        """
        if len(self) < 2:
            raise DatasetError(
                f"Got {len(self)} episode; a split into training and held-out episodes takes at "
                "least 2. Record more."
            )
        held = held_out(len(self), fraction, seed)
        return self.select(np.flatnonzero(~held)), self.select(np.flatnonzero(held))

    def draw(self, count: int, random: np.random.Generator) -> tuple[Array, Array]:
        """Draw recorded states, q (count, nq) and v (count, nv), with replacement."""
        rows = random.integers(len(self.qpos), size=count)
        return self.qpos[rows], self.qvel[rows]

    def windows(self, length: int) -> Array:
        """Return every row from which `length` steps stay within one episode, int64."""
        return spans(self.offsets, np.maximum(self.lengths - length + 1, 0))


def held_out(episodes: int, fraction: float, seed: int) -> Array:
    """Return which of two or more episodes `Recording.split` holds out, (episodes,) bool."""
    drawn = np.random.default_rng(seed).random(episodes)
    held: Array = drawn < fraction
    held[drawn.argmin()], held[drawn.argmax()] = True, False
    return held


def _joined(columns: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Lay columns of the same names end to end."""
    names = columns[0].keys()
    if other := next((each for each in columns if each.keys() != names), None):
        raise DatasetError(
            f"Got episodes with the columns {sorted(names)} and {sorted(other)}; expected the same "
            "in all. Record them by one setting."
        )
    return {
        name: np.concatenate([np.asarray(each[name], dtype=np.float64) for each in columns])
        for name in names
    }


def spans(starts: Array, counts: Array) -> Array:
    """Return `start, start + 1, ...`, `count` of them, for each start, end to end, int64.

    Examples:
        >>> spans(np.array([0, 10]), np.array([2, 3]))
        array([ 0,  1, 10, 11, 12])
    """
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - before, counts) + np.arange(counts.sum()), dtype=np.int64)
