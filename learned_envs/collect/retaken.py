"""Recorded steps that are taken again in a real environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from learned_envs.data.recording import Array, Recording
from learned_envs.systems.moment import Moment, Subject
from learned_envs.systems.spec import SystemSpec

EXACT = 1e-5
"""Error of most steps, in spreads of what a step changes, if the version of MuJoCo is the same. The
largest measured on our tasks is 1e-8, because the solver starts elsewhere, and 1e-6 in the median
if the data was rounded to float32."""
CLOSE, RARE = 1e-3, 0.02
"""Error within which a step is right then, and the share of steps that may have a larger one."""
ROUGH, OFTEN = 0.1, 0.1
"""The same with another version. Between MuJoCo 3.3 and 4.0 the seven tasks agree to rounding, but
for Hopper: 0.03 in the median and 0.06 in 19 of 20 steps. An action that is 0.9 times what it was
is off by more than 0.1 in a quarter of the steps, and one that is 3 times that in most."""


def beginning(recording: Recording, row: int, spec: SystemSpec) -> Moment:
    """Return where the step that begins at a row of a recording begins."""
    leaves = {leaf.name: recording.columns[leaf.name][row] for leaf in spec.leaves}
    return Moment(recording.qpos[row], recording.qvel[row], leaves)


@dataclass(frozen=True)
class Retaken:
    """What steps give if they are taken again.

    Attributes:
        errors: (n, 2 nv) how far v and q end from where they were recorded, in units of the
            spread of what a step changes; not finite if the simulation blew up.
        observations: (n, .).
        rewards: (n,).
        terminated: (n,) bool.
        same: whether the version of MuJoCo is known to be the one that recorded them.
    """

    errors: Array
    observations: Array
    rewards: Array
    terminated: Array
    same: bool = False

    @classmethod
    def of(
        cls, recording: Recording, rows: Array, subject: Subject, actions: Array | None = None
    ) -> Self:
        """Take the steps that begin at `rows` (n,) again.

        Args:
            recording: where they were recorded.
            rows: (n,).
            subject: the environment that takes them.
            actions: (n, nu), instead of those recorded, which are clamped to their range as they
                are where models are fitted.
        """
        spec = subject.spec
        if actions is None:
            actions = np.clip(recording.actions[rows], spec.control_low, spec.control_high)
        actions = np.asarray(actions, dtype=np.float32)
        away, observations, rewards, ends = [], [], [], []
        for row, action in zip(rows, actions, strict=True):
            begin = beginning(recording, row, spec)
            observation, reward, terminated, *_ = subject.again(begin, action)
            away.append(subject.outcome(recording.qpos[row + 1]))
            observations.append(np.array(observation, dtype=np.float64))
            rewards.append(float(reward))
            ends.append(bool(terminated))
        errors = np.array(away).reshape(len(rows), 2, -1)
        before, after = recording.qvel[rows], recording.qvel[rows + 1]
        errors[:, 0] -= after
        spread = np.stack([np.std(after - before, axis=0), spec.dt * np.std(after, axis=0)])
        # What stands still in the sample has a spread of zero; float32 may have rounded it.
        scale = spread + 1e-3 * spread.max(-1, initial=0.0, keepdims=True) + 1e-5
        errors = np.abs(errors / scale).reshape(len(rows), -1)
        return cls(errors, np.array(observations), np.array(rewards), np.array(ends))

    @property
    def exact(self) -> bool:
        """Whether all steps should end where they were recorded, to rounding, as most do."""
        return self.same or self.typical < EXACT

    @property
    def typical(self) -> float:
        """The median of the steps' errors."""
        return float(np.median(self._largest))

    @property
    def off(self) -> Array:
        """Which steps end elsewhere, (n,) bool."""
        return np.asarray(~(self._largest <= self._close))

    @property
    def allowed(self) -> float:
        """Share of the steps that may end elsewhere."""
        return RARE if self.exact else OFTEN

    def differs(self, recorded: Array, taken: Array, least: float = 0.0) -> Array:
        """Return where recorded numbers (n, ...) are others than those `taken`, bool.

        Args:
            recorded: numbers.
            taken: what steps gave that were taken again.
            least: spreads of the numbers that they may differ by at least.
        """
        tolerance = max(self._close, least) * np.std(recorded, axis=0) + 1e-5 * (1 + np.abs(taken))
        return np.asarray(~(np.abs(recorded - taken) <= tolerance))

    @property
    def _largest(self) -> Array:
        return np.asarray(self.errors.max(-1, initial=0.0))

    @property
    def _close(self) -> float:
        return CLOSE if self.exact else ROUGH
