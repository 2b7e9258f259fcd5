"""Callbacks that are told how a fit goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learned_envs.fit.config import TrainingConfig

if TYPE_CHECKING:
    from learned_envs.fit.round import Round
    from learned_envs.fit.training import Progress


@dataclass(frozen=True)
class Observer:
    """Callbacks of a fit; the command line draws its progress from them.

    Attributes:
        collected: called with the real steps recorded so far, and those to record in all; at the
            beginning too.
        trained: called after each update, with how far the training is, and its settings.
        learned: called while an agent learns inside the model, with the steps that it has taken
            in this round, and those that it will take in all.
        improved: called after each round, with its figures.
    """

    collected: Callable[[int, int], None] = lambda steps, total: None
    trained: Callable[[Progress, TrainingConfig], None] = lambda progress, config: None
    learned: Callable[[int, int], None] = lambda steps, total: None
    improved: Callable[[Round], None] = lambda round: None
