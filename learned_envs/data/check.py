"""What must hold of recorded arrays before they are stored or learned from.

A model is trained in float32, so what is finite must be finite in that precision too.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from learned_envs.data.outliers import find_outliers
from learned_envs.data.recording import Array, Episode, Recording
from learned_envs.data.system import expect_system
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
    lengths = recording.lengths
    possible = lengths.min(initial=1) >= 1 and lengths.max(initial=1) < len(recording.qpos)
    if not possible or {len(e) for e in episodes} != {len(recording)}:
        raise DatasetError(f"{where} has episodes without a step, or of unknown end or seed.")


def check_episode(episode: Episode, spec: SystemSpec, where: str) -> None:
    """Check that an episode is of `spec`, and has its sizes, equal lengths and finite numbers.

    Raises:
        DatasetError: if it has not; `where` is how the message names it.
    """
    steps = len(episode.rewards)
    if steps < 1:
        raise DatasetError(f"{where} has no step; expected at least one.")
    if episode.system is not None:
        expect_system(episode.system, spec, where)
    width = np.shape(episode.observations)[-1] if np.ndim(episode.observations) == 2 else 1
    _check_rows(episode, spec, where, steps + 1, steps, width)


def check_trainable(
    recording: Recording, spec: SystemSpec, where: str, observed: Collection[int] | None = None
) -> None:
    """Check that the numbers of a recording are fit to train a model on, in float32.

    Args:
        recording: the episodes.
        spec: the system.
        where: how messages name the recording.
        observed: columns of the observations that a model learns; None for all.

    Raises:
        DatasetError: if a column loses all its variation in float32, or if a few values of it lie
            so far out that they set its scale.
    """
    columns = {"qpos": recording.qpos, "qvel": recording.qvel, **recording.columns}
    quaternions = {j.q + 3 + i for j in spec.joints if j.kind == "free" for i in range(4)}
    for name, array in columns.items():
        # Travelled distances are told apart in float64 before a model sees them, and a body that
        # hardly turns has a quaternion near 1.
        exempt = {*spec.cyclic, *quaternions} if name == "qpos" else set()
        for index in sorted(set(range(array.shape[1])) - exempt):
            _check_precision(array[:, index], f"{where}: {name}[{index}]")
    for outlier in find_outliers(recording, spec, observed):
        index = int(np.searchsorted(recording.offsets, outlier.row, side="right")) - 1
        raise DatasetError(
            f"{where}: {outlier.column} is {outlier.value:.6g} at step "
            f"{outlier.row - recording.offsets[index]} of episode {index}, {outlier.why}; the "
            f"others are {outlier.mean:.3g} on average and spread by {outlier.spread:.3g}. "
            f"{outlier.count} such values make up {outlier.share:.0%} of "
            "that column's variance, and would set the scale by which a model sees it. Leave that "
            "episode out, or record it anew."
        )


def _check_precision(values: Array, name: str) -> None:
    """Check that float32 holds most of what varies in a column, (n)."""
    single = values.astype(np.float32).astype(np.float64)
    spread, scale = float(values.std()), float(np.abs(values).max(initial=0.0))
    # Below that it is rounding in float64.
    varies = spread > 1e-12 * scale
    if varies and (values - single).std() > 0.5 * spread:
        raise DatasetError(
            f"{name} loses its variation in float32, in which models are trained: it spreads by "
            f"{spread:.3g} around {values.mean():.6g}. Subtract a constant from it or give it in "
            "other units, in the system and in the data, or leave that column out."
        )


def _check_rows(
    data: Episode | Recording, spec: SystemSpec, where: str, states: int, steps: int, width: int
) -> None:
    lacking = [leaf.name for leaf in spec.leaves if leaf.name not in data.columns]
    if lacking:
        raise DatasetError(
            f"{where} has no {lacking[0]!r}, which is part of the state of {spec.reference_id}. "
            "Record it with learned_envs.fit.collect."
        )
    expected = [
        ("qpos", data.qpos, (states, spec.nq)),
        ("qvel", data.qvel, (states, spec.nv)),
        ("observations", data.observations, (states, width)),
        ("actions", data.actions, (steps, spec.nu)),
        ("rewards", data.rewards, (steps,)),
        *(
            (name, column, (states, *np.shape(column)[-1:]))
            for name, column in data.columns.items()
        ),
        *((leaf.name, data.columns[leaf.name], (states, leaf.size)) for leaf in spec.leaves),
    ]
    for name, values, shape in expected:
        array = np.asarray(values)
        if array.shape != shape:
            raise DatasetError(
                f"{where}: {name} has shape {array.shape}, expected {shape} for "
                f"{spec.reference_id}. An episode of T steps has T + 1 states and T actions."
            )
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32))
        if not finite.all():
            place = np.argwhere(~finite)[0]
            raise DatasetError(
                f"{where}: {name} is not finite at row {place[0]}: {array[tuple(place)]}; expected "
                "finite numbers that float32 can hold, because models are trained in it. Leave "
                "that episode out."
            )
