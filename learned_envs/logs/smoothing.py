"""Velocities of positions that were measured with noise, at times that jitter.

Offline, a smoothing spline sees what comes before and after. In use, a steady Kalman filter of
position, velocity and acceleration sees what came before alone (Bar-Shalom, Li and Kirubarajan,
Estimation with Applications to Tracking and Navigation, 2001, section 6.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from scipy.interpolate import make_smoothing_spline
from scipy.linalg import solve_discrete_are

from learned_envs.logs.stream import Array

SIGNS = 4
"""Random vectors that the trace is estimated by."""

SAMPLE = 1000
"""Rows that the smoothness is chosen from."""

SMOOTHNESS = np.logspace(-3, 4, 15)
"""What is tried: penalties of the squared second derivative, in units of the cubed time step."""

STEADINESS = np.logspace(-3, 3, 25)
"""What is tried: the spread of a step's change of acceleration, over what noise makes of one."""


@dataclass(frozen=True)
class Smoothing:
    """How much a channel is smoothed.

    Attributes:
        penalty: of the squared second derivative, s^3.
        noise: standard deviation of the measurements' noise, in the channel's unit.
    """

    penalty: float
    noise: float

    @classmethod
    def of(cls, time: Array, values: Array) -> Self:
        """Choose by generalised cross-validation (Craven and Wahba, 1979).

        The trace of the smoother is estimated by random signs (Hutchinson, 1990).

        Args:
            time: (n,) seconds, increasing.
            values: (n,).
        """
        time, values = time[:SAMPLE], values[:SAMPLE]
        signs = np.random.default_rng(0).choice((-1.0, 1.0), (len(time), SIGNS))
        step = float(np.median(np.diff(time)))
        found = []
        for penalty in SMOOTHNESS * step**3:
            both = np.concatenate([values[:, None], signs], 1)
            fitted = np.stack(
                [make_smoothing_spline(time, y, lam=penalty)(time) for y in both.T], 1
            )
            left = float(np.square(fitted[:, 0] - values).sum())
            free = len(time) - float((signs * fitted[:, 1:]).sum(0).mean())
            noise = np.sqrt(left / max(free, 1.0))
            found.append((left / max(free, 1e-9) ** 2, float(penalty), float(noise)))
        _, penalty, noise = min(found)
        return cls(penalty, noise)

    def __call__(self, time: Array, values: Array, at: Array) -> tuple[Array, Array]:
        """Return position and velocity at given times, (m,) each."""
        spline = make_smoothing_spline(time, values, lam=self.penalty)
        return np.asarray(spline(at)), np.asarray(spline.derivative()(at))


@dataclass(frozen=True)
class Smoothings:
    """How much each column is smoothed: chosen when it is first met.

    Attributes:
        chosen: by name.
    """

    chosen: dict[str, Smoothing] = field(default_factory=dict)

    def __call__(self, name: str, time: Array, values: Array, at: Array) -> tuple[Array, Array]:
        """Return a column's position and velocity at given times, (m,) each."""
        if name not in self.chosen:
            self.chosen[name] = Smoothing.of(time, values)
        return self.chosen[name](time, values, at)


@dataclass(frozen=True)
class CausalFilter:
    """Estimates positions and velocities as measurements come, `dt` apart.

    Attributes:
        dt: seconds.
        gain: (3,) how far a measurement that is off moves position, velocity and acceleration.

    Examples:
        >>> filtered = CausalFilter.of(0.01, np.sin(np.arange(300) * 0.05))
        >>> _, velocity = filtered(np.array([0.0, 0.05, 0.1]))
        >>> velocity.shape
        (3,)
    """

    dt: float
    gain: tuple[float, float, float]

    @classmethod
    def of(cls, dt: float, values: Array) -> Self:
        """Choose what predicts the next measurement best, from measurements (n,)."""
        tried = [cls(dt, _gain(dt, steadiness)) for steadiness in STEADINESS]
        errors = [float(np.square(each.innovations(values)[10:]).mean()) for each in tried]
        return tried[int(np.argmin(errors))]

    def step(self, state: Array | None, measured: Array | float) -> Array:
        """Take a measurement in; return position, velocity and acceleration, (3, ...).

        Args:
            state: what the step before returned; None at the first.
            measured: positions, of one or more channels.
        """
        if state is None:
            start = np.zeros((3, *np.shape(measured)))
            start[0] = measured
            return start
        state = self._predicted(state)
        return self._corrected(state, measured)

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Return position and velocity at each measurement, (n, ...) each, by those until it."""
        state, states = None, []
        for value in values:
            state = self.step(state, value)
            states.append(state)
        found = np.stack(states)
        return found[:, 0], found[:, 1]

    def _predicted(self, state: Array) -> Array:
        """Return what follows a step later if nothing is measured, (3, ...)."""
        p, v, a = state
        return np.stack([p + self.dt * v + 0.5 * self.dt**2 * a, v + self.dt * a, a])

    def _corrected(self, state: Array, value: Array | float) -> Array:
        """Return it after a measurement."""
        off = value - state[0]
        return np.asarray(state + np.multiply.outer(np.array(self.gain), off))

    def innovations(self, values: Array) -> Array:
        """Return how far each measurement is from what those before it say, (n,)."""
        state, off = self.step(None, float(values[0])), [0.0]
        for value in values[1:SAMPLE]:
            state = self._predicted(state)
            off.append(float(value - state[0]))
            state = self._corrected(state, float(value))
        return np.array(off)


def _gain(dt: float, steadiness: float) -> tuple[float, float, float]:
    """Return the steady Kalman gain if acceleration is a random walk."""
    step = np.array([[1.0, dt, 0.5 * dt**2], [0.0, 1.0, dt], [0.0, 0.0, 1.0]])
    seen = np.array([[1.0, 0.0, 0.0]])
    # Noise of the measurements is the unit; dt^2 of acceleration is a position.
    jerk = np.array([0.5 * dt**2, dt, 1.0]) * steadiness / dt**2
    spread = solve_discrete_are(step.T, seen.T, np.outer(jerk, jerk), np.eye(1))
    gain = (spread @ seen.T / (seen @ spread @ seen.T + 1.0))[:, 0]
    return float(gain[0]), float(gain[1]), float(gain[2])
