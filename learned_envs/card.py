"""The card of a checkpoint, read from its header: torch is not needed for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from learned_envs import catalogue
from learned_envs.errors import CheckpointError, UnknownNameError, WeightsNotShippedError

FORMAT = 1
"""Version of the card's layout; a newer one is refused."""

FILE_NAME = "model.safetensors"
"""What a fit's folder calls its weights."""


def read_card(source: str | Path, task: str | None = None) -> dict[str, Any]:
    """Read a checkpoint's card alone, in well under a millisecond.

    Args:
        source: a weights file, a fit's folder, or the name or id of a task with shipped weights.
        task: the task that the weights must be of, where that matters.

    Raises:
        CheckpointError: where the file is missing, broken, of another task or of a newer format.
        UnknownNameError: where `source` is neither a path that exists nor a task's name.
    """
    path = find_checkpoint(source)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        card: dict[str, Any] = json.loads(metadata["card"])
        newer = card["format"] > FORMAT
    except KeyError:
        raise broken(path, "it holds no card, so another program wrote it") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise broken(path, f"{error} (pickles, .pt, .pth and .zip are never read)") from error
    if newer:
        raise CheckpointError(
            f"{path} has format {card['format']}, this version reads up to {FORMAT}. "
            "Upgrade learned-envs."
        )
    if card.get("checksum", checksum(card)) != checksum(card):
        raise broken(path, "its card does not match its checksum")
    if task is not None and card["task"] != task:
        raise CheckpointError(
            f"{path} holds weights for {card['task']}, expected {task}. "
            f"Use {catalogue.env_id(card['task'])}, or fit {task}."
        )
    if card.get("family") == "second_order":
        # Models of the first release see no joint limits, and their cards know no such option.
        card["config"].setdefault("joint_limits", False)
    return card


def write_card(card: Mapping[str, Any]) -> str:
    """Return a card as what a header holds: JSON, with a checksum of its own."""
    full = {**card, "checksum": checksum(card)}
    return json.dumps(full, sort_keys=True, allow_nan=False)


def checksum(card: Mapping[str, Any]) -> str:
    """Return the sha256 of a card without its checksum."""
    rest = {name: value for name, value in card.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


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


def broken(path: Path, why: str) -> CheckpointError:
    """Return the error that `path` is not a checkpoint."""
    return CheckpointError(
        f"{path} is not a readable checkpoint: {why}. Expected a .safetensors file that "
        "save_checkpoint or `learned-envs fit` wrote; copy or fit it again."
    )
