"""Guess why recorded steps do not end where the real environment ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from learned_envs.collect.retaken import EXACT, Retaken, beginning
from learned_envs.data.recording import Array, Recording
from learned_envs.systems.moment import Subject

TRIED = 24
"""Steps that a guess is tried on."""
RIGHT = 0.2
"""What a guess leaves of the error, at most, if it is right. Versions of MuJoCo differ too."""
ADVICE = ". Record what the environment below all wrappers is given."
MOST_SOLVER_STEPS = 20
"""The largest frame_skip that is tried."""


def guess(recording: Recording, rows: Array, subject: Subject) -> str:
    """Say what would make recorded steps end where the environment ends, and what to do.

    Args:
        recording: where the steps were recorded.
        rows: (n,) where they begin.
        subject: the environment.
    """
    rows = rows[:: max(1, len(rows) // TRIED)]
    limit = RIGHT * Retaken.of(recording, rows, subject).typical
    for actions, words in _other_actions(recording, rows, subject):
        if Retaken.of(recording, rows, subject, actions).typical <= limit:
            return words + ADVICE
    if (skip := _other_clock(recording, rows, subject, limit)) is not None:
        return (
            f"With frame_skip={skip} they end where they should: the environment was made with "
            f"another frame_skip than {subject.spec.frame_skip}. Keep it in a dataset of its own."
        )
    return (
        "Neither a factor of the action nor another frame_skip explains it: the MJCF, the options "
        "or the masses were others, a wrapper changed the motion, or qpos, qvel and actions are "
        "not of the same step. Record it with the environment as it is made by its id."
    )


def exact_guess(recording: Recording, rows: Array, subject: Subject) -> str:
    """Say what would make recorded steps end exactly where the environment ends; empty if nothing.

    It finds actions that are wrong by less than two versions of MuJoCo may differ. See `guess`.
    """
    rows = rows[:: max(1, len(rows) // TRIED)]
    if Retaken.of(recording, rows, subject).typical > 100 * EXACT:
        for actions, words in _other_actions(recording, rows, subject):
            if Retaken.of(recording, rows, subject, actions).typical < EXACT:
                return words + ADVICE
    return ""


def _other_actions(
    recording: Recording, rows: Array, subject: Subject
) -> Iterator[tuple[Array, str]]:
    spec, recorded = subject.spec, recording.actions[rows]
    if not spec.nu:
        return
    low, high = np.array(spec.control_low), np.array(spec.control_high)
    if ((recorded < low) | (recorded > high)).any():
        yield recorded, "Beyond their range the recorded actions moved the system farther"
    middle, half = (high + low) / 2, (high - low) / 2
    if np.ptp(half) > 0 or middle.any():
        yield (
            middle + half * recorded,
            "The recorded actions, scaled from -1 to 1 to the environment's range, reproduce the "
            "motion: was RescaleAction between",
        )
    factor = _factor(recording, rows, subject)
    if factor is not None:
        yield (
            np.asarray(factor * recorded),
            f"The recorded action times {factor:.3g} reproduces the motion: was RescaleAction, or "
            "another wrapper of actions, between",
        )
    # An episode's last row has no action of its own.
    for shift, words in ((-1, "before"), (1, "after")):
        other = np.clip(rows + shift, 0, len(recording.actions) - 1)
        yield (
            recording.actions[other],
            f"The action of the step {words} reproduces the motion: they are shifted by one, or "
            "came late",
        )


def _factor(recording: Recording, rows: Array, subject: Subject) -> float | None:
    """Return the factor of the actions that would explain the motion; None if they do nothing."""
    after, recorded = recording.qvel[rows + 1], recording.actions[rows]
    still = _velocities(recording, rows, subject, np.zeros_like(recorded))
    # Within the range, where an actuator does not saturate.
    factor = 1.0 / max(1.0, float(np.abs(recorded / subject.spec.control_high).max()))
    # The motion is linear in the action but for contacts, so a few repetitions settle it.
    for _ in range(4):
        driven = _velocities(recording, rows, subject, (factor * recorded).astype(np.float32))
        effect = driven - still
        strength = (effect**2).sum(-1)
        kept = strength > 1e-6 * strength.max(initial=0.0)
        if not kept.any():
            return None
        factor *= float(np.median((effect * (after - still)).sum(-1)[kept] / strength[kept]))
        if not 1e-6 < abs(factor) < 1e6:
            return None
    return factor


def _velocities(recording: Recording, rows: Array, subject: Subject, actions: Array) -> Array:
    found = []
    for row, action in zip(rows, actions, strict=True):
        subject.again(beginning(recording, row, subject.spec), action)
        found.append(subject.data.qvel.copy())
    return np.array(found)


def _other_clock(recording: Recording, rows: Array, subject: Subject, limit: float) -> int | None:
    """Return the frame_skip that explains the motion; None if there is none."""
    base, own = subject.base, subject.spec.frame_skip
    if not hasattr(base, "frame_skip"):
        return None
    try:
        for skip in range(1, MOST_SOLVER_STEPS + 1):
            base.frame_skip = skip
            if skip != own and Retaken.of(recording, rows, subject).typical <= limit:
                return skip
    finally:
        base.frame_skip = own
    return None
