"""What hears of a fit as it goes."""

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
        collected: called with the real steps recorded so far, and all that are to be; at the
            beginning too.
        trained: called after each update, with where the training is and how it is done.
        learned: called while an agent learns inside the model, with the steps that it has taken
            in this round, and all that it is to take.
        improved: called after each round with what it gave.
    """

    collected: Callable[[int, int], None] = lambda steps, total: None
    trained: Callable[[Progress, TrainingConfig], None] = lambda progress, config: None
    learned: Callable[[int, int], None] = lambda steps, total: None
    improved: Callable[[Round], None] = lambda round: None
