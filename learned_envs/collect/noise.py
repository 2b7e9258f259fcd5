"""Noise that remembers its past, for actions that explore."""

from __future__ import annotations

import math

import numpy as np

from learned_envs.data.recording import Array


class Noise:
    """Noise of about unit size that remembers its past for `time_constant` steps.

    It is a first-order autoregressive process or, if `held`, a uniform number that stays for a
    while. A time constant of zero is white noise. If `alternating`, what it remembers changes its
    sign at every step, as in the actions of agents that chatter.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        size: int,
        time_constant: float,
        held: bool = False,
        alternating: bool = False,
    ) -> None:
        self._rng = rng
        self._sign = -1.0 if alternating else 1.0
        self._memory = math.exp(-1.0 / time_constant) if time_constant > 0 else 0.0
        self._held = held
        self._value = self._fresh(size)

    def __call__(self) -> Array:
        """Return the next (size,) numbers."""
        size = len(self._value)
        if not self._held:
            fresh = math.sqrt(1.0 - self._memory**2) * self._fresh(size)
            self._value = self._sign * self._memory * self._value + fresh
        elif self._rng.random() > self._memory:
            self._value = self._fresh(size)
        else:
            self._value = self._sign * self._value
        return self._value

    def _fresh(self, size: int) -> Array:
        return self._rng.uniform(-1.0, 1.0, size) if self._held else self._rng.normal(size=size)
