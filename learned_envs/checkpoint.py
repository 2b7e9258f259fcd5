"""Weights on disk: one safetensors file, its card in the header, never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from learned_envs import catalogue
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.errors import (
    CheckpointError,
    DeviceError,
    OutputError,
    UnknownNameError,
    WeightsNotShippedError,
)
from learned_envs.state import SystemSpec

FORMAT = 1
"""Version of the card's layout; a newer one is refused."""

FILE_NAME = "model.safetensors"
"""What a fit's folder calls its weights."""


def save_checkpoint(path: str | Path, dynamics: Ensemble, card: Mapping[str, Any]) -> None:
    """Write weights and card to `path`, all or nothing: a failed write leaves the old file.

    What the model itself determines (family, config, members, spec, versions) is added to the
    card.

    Args:
        path: the file to write.
        dynamics: the model.
        card: plain data for JSON; must name the `task`.

    Raises:
        OutputError: where the file cannot be written.
    """
    path = Path(path)
    tensors = {name: t.detach().cpu().contiguous() for name, t in dynamics.state_dict().items()}
    family = next(
        name for name in catalogue.FAMILIES if type(dynamics.family) is catalogue.family_class(name)
    )
    full = {
        **card,
        "format": FORMAT,
        "family": family,
        "config": asdict(dynamics.family),
        "members": dynamics.members,
        "spec": dynamics.spec.to_dict(),
        "versions": {name: version(name) for name in ("learned-envs", "torch", "mujoco")},
        "sha256": _digest(tensors),
    }
    text = json.dumps(full, sort_keys=True, allow_nan=False)
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, {"card": text})
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"Cannot write the checkpoint {path}: {error}. An earlier one there is untouched; "
            "free space or choose another folder."
        ) from error


def load_checkpoint(
    source: str | Path, device: str | torch.device = "cpu", task: str | None = None
) -> tuple[Ensemble, dict[str, Any]]:
    """Read a model and its card.

    Args:
        source: a weights file, a fit's folder, or the name or id of a task with shipped weights.
        device: where the model goes.
        task: the task that the weights must be of, where that matters.

    Raises:
        CheckpointError: where the file is missing, broken, of another task or of a newer format.
        UnknownNameError: where `source` is neither a path that exists nor a task's name.
        DeviceError: where there is no such device.
    """
    path = find_checkpoint(source)
    device = find_device(device)
    card = read_card(path, task)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _broken(path, str(error)) from error
    if _digest(tensors) != card["sha256"]:
        raise _broken(path, "its tensors do not match its checksum")
    config = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in card["config"].items()
    }
    family = catalogue.family_class(card["family"])(**config)
    dynamics = Ensemble(family, SystemSpec.from_dict(card["spec"]), card["members"])
    try:
        dynamics.load_state_dict(tensors)
    except RuntimeError as error:
        raise _broken(path, f"its tensors do not fit its card ({error})") from error
    return dynamics.to(device).eval().requires_grad_(False), card


def read_card(source: str | Path, task: str | None = None) -> dict[str, Any]:
    """Read a checkpoint's card alone, in well under a millisecond.

    Raises:
        CheckpointError: as `load_checkpoint`.
        UnknownNameError: as `load_checkpoint`.
    """
    path = find_checkpoint(source)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        card: dict[str, Any] = json.loads(metadata["card"])
        newer = card["format"] > FORMAT
    except KeyError:
        raise _broken(path, "it holds no card, so another program wrote it") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise _broken(path, f"{error} (pickles, .pt, .pth and .zip are never read)") from error
    if newer:
        raise CheckpointError(
            f"{path} has format {card['format']}, this version reads up to {FORMAT}. "
            "Upgrade learned-envs."
        )
    if task is not None and card["task"] != task:
        raise CheckpointError(
            f"{path} holds weights for {card['task']}, expected {task}. "
            f"Use {catalogue.env_id(card['task'])}, or fit {task}."
        )
    return card


def find_checkpoint(source: str | Path) -> Path:
    """Return the weights file that a path, a fit's folder, a task or an id stands for.

    Raises:
        WeightsNotShippedError: where a task's weights are not in the package.
        CheckpointError: where there is no such file.
        UnknownNameError: where a bare name is neither a file nor a task.
    """
    path = Path(source)
    if path.is_dir():
        path /= FILE_NAME
        if path.is_file():
            return path
        raise CheckpointError(
            f"{path.parent} holds no {FILE_NAME}. Expected the folder of a fit; "
            "one that was killed before its first save can be resumed with --resume."
        )
    if path.is_file():
        return path
    name = str(source)
    try:
        task = catalogue.task_of(name)
    except UnknownNameError:
        if path.suffix or len(path.parts) > 1:
            raise CheckpointError(
                f"There is no checkpoint at {path}. Expected a .safetensors file or the folder "
                "of a fit."
            ) from None
        raise
    shipped = catalogue.shipped_weights(task)
    if not shipped.is_file():
        raise WeightsNotShippedError(
            f"The weights of {catalogue.env_id(task)} are not in the package yet. Fit them with "
            f"`learned-envs fit {task} --out runs/{task}` and pass checkpoint='runs/{task}'."
        )
    return shipped


def find_device(name: str | torch.device | None) -> torch.device:
    """Return the device called `name`; the GPU, where there is one, for None.

    Raises:
        DeviceError: where this machine has no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(
            f"Device {str(name)!r} is not available here ({str(error).splitlines()[0]}). "
            "Use device='cpu'."
        ) from error
    return device


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a readable checkpoint: {why}. Expected a .safetensors file that "
        "save_checkpoint or `learned-envs fit` wrote; copy or fit it again."
    )
