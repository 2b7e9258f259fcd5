"""Episodes of other formats, which may hold observations alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learned_envs.data.recording import Array, Episode
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Observed:
    """One episode of T steps as another format holds it. Nothing of it is checked.

    Attributes:
        observations: (T + 1, n).
        actions: (T, nu), as they were given.
        rewards: (T,).
        infos: what the environment told beside, by name.
        terminated: whether the task ended it.
        truncated: whether it was cut short.
        seed: what its reset was seeded with; -1 if it was not.
        actor: who acted.
        where: how messages name it.
    """

    observations: Array
    actions: Array
    rewards: Array
    infos: Mapping[str, Any]
    terminated: bool
    truncated: bool
    seed: int
    actor: str
    where: str

    @property
    def missing(self) -> list[str]:
        """Which of qpos and qvel the infos do not hold."""
        return [name for name in ("qpos", "qvel") if name not in self.infos]


Rebuild = Callable[
    [str, SystemSpec, Mapping[str, Any], Sequence[Observed]], tuple[list[Episode], str]
]
"""(task, spec, parameters, episodes): makes full states of observations.

`parameters` are those of the task that the environment was made with. It returns the episodes,
which may be cut into pieces, and a sentence that says what was rebuilt and what was left out. It
raises a `DatasetError` if it cannot."""
