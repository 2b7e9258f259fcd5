"""Environment steps per second, of anything that steps environments."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np

from learned_envs.data.recording import Array

REPEATS = 3
"""Windows in a measurement; the median is taken."""

DRAWN = 16
"""Batches of actions that are drawn beforehand."""

Stepper = Callable[[], object]
"""Takes one step of all environments."""


def measure(step: Stepper, envs: int, seconds: float = 1.0) -> float:
    """Return environment steps per second, the median of a few windows after a warm-up.

    Args:
        step: takes one step of all environments.
        envs: how many they are.
        seconds: time for all windows together; the warm-up takes another fifth of it.
    """
    begin = time.perf_counter()
    step()
    while time.perf_counter() - begin < seconds / 5:
        step()
    speeds = []
    for _ in range(REPEATS):
        begin, count = time.perf_counter(), 0
        while (taken := time.perf_counter() - begin) < seconds / REPEATS:
            step()
            count += 1
        speeds.append(count * envs / taken)
    return statistics.median(speeds)


def random_actions(
    space: Any, envs: int | None = None, put: Callable[[Array], Any] = np.asarray
) -> Iterator[Any]:
    """Cycle through actions that were drawn beforehand, because drawing them is not measured.

    Args:
        space: the Box of one environment's actions.
        envs: environments at once; None for one without a batch.
        put: makes of drawn actions what the environments take, beforehand too.
    """
    shape = (DRAWN, *space.shape) if envs is None else (DRAWN, envs, *space.shape)
    drawn = np.random.default_rng(0).uniform(space.low, space.high, shape)
    return cycle([put(actions) for actions in drawn.astype(np.float32)])
