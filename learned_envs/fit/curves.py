"""TensorBoard's curves of a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from learned_envs.files import writing
from learned_envs.fit.folder import CURVES_FOLDER

Log = Callable[[str, float, int], None]
"""Logs a value: (name of the curve, value, step)."""


@contextmanager
def curves(out: Path, purge: int | None = None) -> Iterator[Log]:
    """Open the curves of a fit.

    Args:
        out: the fit's folder.
        purge: the step from which on values of a killed run are dropped; None keeps all.

    Raises:
        OutputError: if they cannot be written.
    """
    from torch.utils.tensorboard import SummaryWriter

    folder = out / CURVES_FOLDER
    with writing(folder):
        writer = SummaryWriter(str(folder), purge_step=purge)

    def log(name: str, value: float, step: int) -> None:
        with writing(folder):
            writer.add_scalar(name, value, step)

    try:
        yield log
    finally:
        with writing(folder):
            writer.close()
