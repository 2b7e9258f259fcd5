"""Where a checkpoint is: what a path, a name or an id stands for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from learned_envs import registry
from learned_envs.errors import CheckpointError, UnknownNameError, WeightsNotShippedError
from learned_envs.hub import HubName, fetch, is_on_hub
from learned_envs.packed import SUFFIX, WEIGHTS, unpacked

FILE_NAME = WEIGHTS
"""Name of the checkpoint in a fit's folder, in a packed model and on the hub."""


@dataclass(frozen=True)
class Location:
    """Where a checkpoint is.

    Attributes:
        path: the file of weights.
        pinned: the commit that it is of, `hf://user/name@commit`; None if it is not of the hub.
        origin: a sentence that errors end with, if the file is a copy; "" if it is not.
    """

    path: Path
    pinned: str | None = None
    origin: str = ""

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let errors about a copy say what it is a copy of."""
        try:
            yield
        except CheckpointError as error:
            if not self.origin:
                raise
            raise type(error)(f"{error} {self.origin}") from error


def locate(checkpoint: str | Path) -> Location:
    """Find a checkpoint. Those on the hub are downloaded, packed ones are unpacked.

    Raises:
        WeightsNotShippedError: if a task's weights are not in the package.
        CheckpointError: if there is no such file, or if it cannot be had or is damaged.
        UnknownNameError: if a bare name is neither a file nor a task.
        DependencyError: if it is on the hub and huggingface_hub is not installed.
    """
    if is_on_hub(checkpoint):
        path, pinned = fetch(HubName.read(checkpoint), FILE_NAME)
        origin = (
            f"The file is a copy of that of {pinned}. If the copy is damaged, delete "
            f"{path.parents[2]}, and it is downloaded again."
        )
        return Location(path, str(pinned), origin)
    path = _existing(checkpoint)
    if path.suffix == SUFFIX:
        return Location(unpacked(path), origin=f"The file was unpacked from {path}.")
    return Location(path)


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of weights that a path, a fit's folder, a task or an id stands for.

    See [`locate`][learned_envs.location.locate] for the errors.
    """
    return locate(checkpoint).path


def settled(checkpoint: str | Path) -> str | Path:
    """Return a name that stays what it is: of a branch or tag of the hub, the commit it means now.

    What is read in several steps is so read of one commit. All else is returned as it is.

    Raises:
        CheckpointError, DependencyError: as for `locate`, of a model on the hub.
    """
    return locate(checkpoint).pinned or checkpoint if is_on_hub(checkpoint) else checkpoint


def lasting(checkpoint: str | Path) -> str:
    """Return a name that holds from everywhere: an absolute path, or a commit of the hub.

    Raises:
        CheckpointError, UnknownNameError, DependencyError: as for `locate`.
    """
    if is_on_hub(checkpoint):
        return str(settled(checkpoint))
    return str(_existing(checkpoint).resolve())


def _existing(checkpoint: str | Path) -> Path:
    """Return the file on this machine that a checkpoint's name stands for."""
    try:
        path = Path(checkpoint)
        folder, there = path.is_dir(), path.is_file()
        within = folder and (path / FILE_NAME).is_file()
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"Got checkpoint={checkpoint!r:.200}, which is no path that can be read ({error}). "
            "Expected a .safetensors file, the folder of a fit, or the name of a task."
        ) from error
    if folder:
        path /= FILE_NAME
        if within:
            return path
        raise CheckpointError(
            f"{path.parent} holds no {FILE_NAME}. Expected the folder of a fit; "
            "one that was killed before its first save can be resumed with --resume."
        )
    if there:
        return path
    name = str(checkpoint)
    try:
        task = registry.task_of(name)
    except UnknownNameError:
        if path.suffix or len(path.parts) > 1:
            raise CheckpointError(
                f"There is no checkpoint at {path}. Expected a .safetensors file or the folder "
                f"of a fit, a {SUFFIX} file, or hf://user/name."
            ) from None
        raise
    shipped = registry.shipped_weights(task)
    if not shipped.is_file():
        raise WeightsNotShippedError(
            f"The weights of {registry.env_id(task)} are not in the package yet. Fit them with "
            f"`learned-envs fit {task} --out runs/{task}` and pass checkpoint='runs/{task}'."
        )
    return shipped
