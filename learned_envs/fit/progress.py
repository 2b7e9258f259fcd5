"""What a training goes on from, in one file: weights, the optimizer's state, counters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from learned_envs.checkpoint import digest, non_finite
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.errors import CheckpointError
from learned_envs.files import write_whole
from learned_envs.fit.folder import FILE_NAME, PROGRESS_FILE

BROKEN = (
    *(SafetensorError, OSError, msgspec.MsgspecError),
    *(KeyError, TypeError, ValueError, RuntimeError),
)
"""What is raised by reading a file that is damaged, or that something else wrote."""


MODEL, OPTIMIZER = "model.", "optimizer."
"""What the names of the tensors begin with."""


class Counters(msgspec.Struct):
    """How far a training is.

    Attributes:
        update: gradient steps so far.
        stale: checks since the best one.
        best: the best check's score; None before the first.
        sha256: in a file, the checksum of all that it holds.
    """

    update: Annotated[int, msgspec.Meta(ge=0)] = 0
    stale: Annotated[int, msgspec.Meta(ge=0)] = 0
    best: float | None = None
    sha256: str | None = None

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
    tensors = {f"{MODEL}{name}": t for name, t in dynamics.state_dict().items()}
    for name, parameter in dynamics.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{OPTIMIZER}{name}.{key}"] = value
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    stored = msgspec.structs.replace(counters, sha256=_checksum(counters, tensors))
    data = save(tensors, {"counters": msgspec.json.encode(stored).decode()})
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
            counters = msgspec.json.decode((file.metadata() or {})["counters"], type=Counters)
        # The first files had no checksum.
        if counters.sha256 not in (None, _checksum(counters, tensors)):
            raise ValueError("what it holds does not match its checksum")
        weights = {n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)}
        if bad := non_finite(weights):
            raise ValueError(f"its tensor {bad[0]} is not finite")
        states: dict[torch.Tensor, dict[str, torch.Tensor]] = {
            parameter: _state_of(name, parameter, tensors)
            for name, parameter in dynamics.named_parameters()
        }
        dynamics.load_state_dict(weights)
        optimizer.state.update(states)
    except BROKEN as error:
        raise CheckpointError(
            f"{path} cannot be resumed from: {error}. Delete the folder and fit again; "
            f"the best weights so far are in {FILE_NAME}."
        ) from error
    return counters


def _checksum(counters: Counters, tensors: Mapping[str, torch.Tensor]) -> str:
    told = f"{counters.update} {counters.stale} {counters.best!r} {digest(tensors)}"
    return hashlib.sha256(told.encode()).hexdigest()


def _state_of(
    name: str, parameter: torch.Tensor, tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the optimizer's state of a parameter; none if it was never moved.

    Raises:
        ValueError: if it does not fit the parameter, or is not finite.
    """
    prefix = f"{OPTIMIZER}{name}."
    state = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    expected = {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
    if state and {key: value.shape for key, value in state.items()} != expected:
        raise ValueError(f"its state of the optimizer does not fit {name}")
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise ValueError(f"its state of the optimizer is not finite for {name}")
    return state
