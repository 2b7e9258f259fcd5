"""The last tenth of the recordings' time, which nothing is fitted to or chosen by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from learned_envs.logs.stretch import Stretch

SHARE = 0.1
"""Of the time, what counts as last."""


def earlier(found: Iterable[Stretch], seconds: float) -> Iterator[Stretch]:
    """Give what was recorded before the last tenth.

    Args:
        found: stretches.
        seconds: of all recordings together.
    """
    for stretch in found:
        if (part := stretch.rows(-np.inf, _end(stretch, seconds))) is not None:
            yield part


def latest(found: Iterable[Stretch], seconds: float) -> Iterator[Stretch]:
    """Give what was recorded in the last tenth."""
    for stretch in found:
        if (part := stretch.rows(_end(stretch, seconds), np.inf)) is not None:
            yield part


def _end(stretch: Stretch, seconds: float) -> float:
    """Return the time of a stretch's run at which the last tenth begins."""
    return stretch.begin + (1.0 - SHARE) * seconds - stretch.before
