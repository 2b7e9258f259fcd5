"""Recorded episodes in memory: one, or many laid end to end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from learned_envs.errors import DatasetError
from learned_envs.systems.spec import SystemSpec

Array = npt.NDArray[Any]

ROWS = {
    "qpos": np.float64,
    "qvel": np.float64,
    "observations": np.float64,
    "actions": np.float32,
    "rewards": np.float64,
}
"""The arrays with one row a state, and how they are stored."""


@dataclass(frozen=True)
class Episode:
    """One episode of T >= 1 steps.

    Attributes:
        qpos: (T + 1, nq) float64.
        qvel: (T + 1, nv) float64.
        observations: (T + 1, n) float64.
        actions: (T, nu) float32, as the environment was given them.
        rewards: (T,) float64.
        terminated: whether the task ended it.
        truncated: whether it was cut short.
        seed: what its reset was seeded with; -1 where it was not.
        source: who acted: "random", "agent:NAME".
    """

    qpos: Array
    qvel: Array
    observations: Array
    actions: Array
    rewards: Array
    terminated: bool
    truncated: bool
    seed: int
    source: str


@dataclass(frozen=True)
class Recording:
    """EnvCore laid end to end: E episodes in N = sum(lengths + 1) rows.

    An episode of T steps has T + 1 rows, one a state; its last row's action and reward are
    zeros, so that one index serves every array: step `i` goes from row `i` to row `i + 1`.

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
        sources: (E,) who acted in each episode.
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
    sources: tuple[str, ...]

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> Recording:
        """Lay episodes, at least one, end to end."""

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
            sources=tuple(episode.source for episode in episodes),
        )

    @classmethod
    def join(cls, recordings: Sequence[Recording]) -> Recording:
        """Lay recordings, at least one, end to end."""
        names = (*ROWS, "lengths", "terminated", "truncated", "seeds")
        arrays = {name: np.concatenate([getattr(r, name) for r in recordings]) for name in names}
        return cls(**arrays, sources=tuple(s for r in recordings for s in r.sources))

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.lengths)

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""
        return int(self.lengths.sum())

    @property
    def steps_by_source(self) -> dict[str, int]:
        """Who acted, by name, and for how many steps."""
        counts = dict.fromkeys(sorted(set(self.sources)), 0)
        for source, length in zip(self.sources, self.lengths, strict=True):
            counts[source] += int(length)
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
            self.sources[index],
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
            sources=tuple(self.sources[i] for i in index),
        )

    def split(self, fraction: float, seed: int) -> tuple[Recording, Recording]:
        """Split by episode, so that no held-out state has a neighbour in the rest.

        Where episodes are added to a recording, those that were there stay on their side: what a
        model was trained on is not held out when it is trained on.

        Args:
            fraction: the chance, between 0 and 1, of an episode to be held out; at least one is,
                and at least one is not.
            seed: decides which.

        Returns:
            The rest, and what is held out.

        Raises:
            DatasetError: where there are fewer than two episodes.
        """
        if len(self) < 2:
            raise DatasetError(
                f"Got {len(self)} episode; a split into training and held-out episodes takes at "
                "least 2. Record more."
            )
        drawn = np.random.default_rng(seed).random(len(self))
        held = drawn < fraction
        held[drawn.argmin()], held[drawn.argmax()] = True, False
        return self.select(np.flatnonzero(~held)), self.select(np.flatnonzero(held))

    def draw(self, count: int, random: np.random.Generator) -> tuple[Array, Array]:
        """Draw recorded states, q (count, nq) and v (count, nv), with replacement."""
        rows = random.integers(len(self.qpos), size=count)
        return self.qpos[rows], self.qvel[rows]

    def windows(self, length: int) -> Array:
        """Return every row from which `length` steps stay within one episode, int64."""
        return spans(self.offsets, np.maximum(self.lengths - length + 1, 0))


def check(recording: Recording, spec: SystemSpec, where: str) -> None:
    """See that a recording has the sizes of `spec`, whole episodes and finite numbers.

    Raises:
        DatasetError: where it has not; `where` is how the message names it.
    """
    rows = int((recording.lengths + 1).sum())
    width = recording.observations.shape[-1] if recording.observations.ndim == 2 else 1
    _check_rows(recording, spec, where, rows, rows, width)
    episodes = (recording.terminated, recording.truncated, recording.seeds, recording.sources)
    if recording.lengths.min(initial=1) < 1 or {len(e) for e in episodes} != {len(recording)}:
        raise DatasetError(f"{where} has episodes without a step, or of unknown end or seed.")


def spans(starts: Array, counts: Array) -> Array:
    """Return `start, start + 1, ...`, `count` of them, for each start, end to end, int64."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - before, counts) + np.arange(counts.sum()), dtype=np.int64)


def check_episode(episode: Episode, spec: SystemSpec, where: str) -> None:
    """See that an episode has the sizes of `spec`, equal lengths and finite numbers.

    Raises:
        DatasetError: where it has not; `where` is how the message names it.
    """
    steps = len(episode.rewards)
    if steps < 1:
        raise DatasetError(f"{where} has no step; expected at least one.")
    width = np.shape(episode.observations)[-1] if np.ndim(episode.observations) == 2 else 1
    _check_rows(episode, spec, where, steps + 1, steps, width)


def _check_rows(
    data: Episode | Recording, spec: SystemSpec, where: str, states: int, steps: int, width: int
) -> None:
    shapes = {
        "qpos": (states, spec.nq),
        "qvel": (states, spec.nv),
        "observations": (states, width),
        "actions": (steps, spec.nu),
        "rewards": (steps,),
    }
    for name, shape in shapes.items():
        array = np.asarray(getattr(data, name))
        if array.shape != shape:
            raise DatasetError(
                f"{where}: {name} has shape {array.shape}, expected {shape} for "
                f"{spec.reference_id}. An episode of T steps has T + 1 states and T actions."
            )
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DatasetError(
                f"{where}: {name} is not finite at row {row}; expected finite numbers. Leave "
                "that episode out."
            )
