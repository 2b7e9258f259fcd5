"""What a training goes on from, in one file: weights, the optimizer's state, counters."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.errors import CheckpointError
from learned_envs.files import write_whole
from learned_envs.fit.folder import FILE_NAME, PROGRESS_FILE

BROKEN = (
    *(SafetensorError, OSError, msgspec.MsgspecError),
    *(KeyError, TypeError, ValueError, RuntimeError),
)
"""What is raised by reading a file that is damaged, or that something else wrote."""


class Counters(msgspec.Struct):
    """How far a training is.

    Attributes:
        update: gradient steps so far.
        stale: checks since the best one.
        best: the best check's score; None before the first.
    """

    update: int = 0
    stale: int = 0
    best: float | None = None

    def judge(self, score: float) -> bool:
        """Count a check, and return whether it is the best so far."""
        better = score < (math.inf if self.best is None else self.best)
        if better:
            self.best, self.stale = score, 0
        else:
            self.stale += 1
        return better


def save_progress(
    folder: Path, dynamics: Ensemble, optimizer: torch.optim.Optimizer, counters: Counters
) -> None:
    """Write all that a resumed training needs, or nothing.

    Raises:
        OutputError: if it cannot be written.
    """
    tensors = {f"model.{name}": t for name, t in dynamics.state_dict().items()}
    for name, parameter in dynamics.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{name}.{key}"] = value
    data = save(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
        {"counters": msgspec.json.encode(counters).decode()},
    )
    write_whole(folder / PROGRESS_FILE, data, "free space and go on with --resume")


def restore_progress(
    folder: Path, dynamics: Ensemble, optimizer: torch.optim.Optimizer
) -> Counters:
    """Bring a model and its optimizer to where a training was; nothing changes if none was saved.

    Raises:
        CheckpointError: if what was saved is broken.
    """
    path = folder / PROGRESS_FILE
    if not path.exists():
        return Counters()
    try:
        tensors = load_file(path, device=str(dynamics.q_low.device))
        with safe_open(path, framework="numpy") as file:
            counters = msgspec.json.decode(file.metadata()["counters"], type=Counters)
        dynamics.load_state_dict(
            {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        )
        for name, parameter in dynamics.named_parameters():
            prefix = f"optimizer.{name}."
            optimizer.state[parameter] = {
                key.removeprefix(prefix): value
                for key, value in tensors.items()
                if key.startswith(prefix)
            }
    except BROKEN as error:
        raise CheckpointError(
            f"{path} cannot be resumed from: {error}. Delete the folder and fit again; "
            f"the best weights so far are in {FILE_NAME}."
        ) from error
    return counters
