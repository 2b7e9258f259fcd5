"""What a report is asked of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Stage = Callable[[str], None]
"""Is told what is done now."""


@dataclass(frozen=True)
class Asked:
    """What a report is asked of.

    Attributes:
        run: a fit's folder, a checkpoint, or the name or id of a task with shipped weights.
        data: a dataset to measure on; None takes the fit's own.
        device: where to measure; None takes a GPU if there is one.
        failure: the error that ended the fit, if one did.
        measured: whether to measure anew, beyond what the card says.
        on_stage: is told how it goes.
    """

    run: str | Path
    data: Path | None = None
    device: str | None = None
    failure: str | None = None
    measured: bool = True
    on_stage: Stage = lambda name: None
