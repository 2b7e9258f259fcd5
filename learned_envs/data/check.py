"""What must hold of recorded arrays before they are stored or learned from."""

from __future__ import annotations

import numpy as np

from learned_envs.data.recording import ROWS, Episode, Recording
from learned_envs.errors import DatasetError
from learned_envs.systems.spec import SystemSpec


def check(recording: Recording, spec: SystemSpec, where: str) -> None:
    """Check that a recording has the sizes of `spec`, whole episodes and finite numbers.

    Raises:
        DatasetError: if it has not; `where` is how the message names it.
    """
    rows = int((recording.lengths + 1).sum())
    width = recording.observations.shape[-1] if recording.observations.ndim == 2 else 1
    _check_rows(recording, spec, where, rows, rows, width)
    episodes = (recording.terminated, recording.truncated, recording.seeds, recording.actors)
    if recording.lengths.min(initial=1) < 1 or {len(e) for e in episodes} != {len(recording)}:
        raise DatasetError(f"{where} has episodes without a step, or of unknown end or seed.")


def check_episode(episode: Episode, spec: SystemSpec, where: str) -> None:
    """Check that an episode has the sizes of `spec`, equal lengths and finite numbers.

    Raises:
        DatasetError: if it has not; `where` is how the message names it.
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
        **{name: (states, np.shape(column)[-1]) for name, column in data.columns.items()},
        **{name: (states, size) for name, size in spec.leaves},
    }
    for name, shape in shapes.items():
        if name not in ROWS and name not in data.columns:
            raise DatasetError(
                f"{where} has no {name!r}, which is part of the state of {spec.reference_id}. "
                "Record it with learned_envs.fit.collect."
            )
        array = np.asarray(getattr(data, name) if name in ROWS else data.columns[name])
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
