"""The returns of an agent while it learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback


class LearningCurve(BaseCallback):
    """An SB3 callback that keeps what episodes returned while an agent learned.

    Attributes:
        points: (steps taken, mean return of the last 100 episodes) after each round of learning.
    """

    def __init__(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Start with no points.

        Args:
            on_progress: called with the steps taken so far, after each round.
        """
        super().__init__()
        self.points: list[tuple[int, float]] = []
        self._on_progress = on_progress

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if episodes := self.model.ep_info_buffer:
            mean = float(np.mean([episode["r"] for episode in episodes]))
            self.points.append((self.num_timesteps, mean))
        if self._on_progress is not None:
            self._on_progress(self.num_timesteps)
