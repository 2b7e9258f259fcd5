"""The settings that the fit in a folder was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from learned_envs.collect.own_code import code_of
from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.fit.config import FitConfig, FitFile
from learned_envs.fit.folder import CONFIG_FILE
from learned_envs.location import settled
from learned_envs.registry import same_task


def anchored(config: FitConfig) -> FitConfig:
    """Make the paths absolute, so that a fit can be resumed from another directory.

    A model on the hub is named by the commit that it has now.
    """

    def absolute(path: str | None) -> str | None:
        return str(Path(path).resolve()) if path is not None and Path(path).exists() else path

    start = absolute(config.start)
    start = None if start is None else str(settled(start))
    return replace(config, data=absolute(config.data), start=start)


def expect_same(asked: FitConfig, stored: FitConfig, out: Path) -> None:
    """Check that settings are those that a fit was begun with.

    Raises:
        ParameterError: if not; it names each that differs.
    """
    ours, theirs = (_flat(asdict(config)) for config in (anchored(asked), stored))
    differing = [
        f"{name}={ours.get(name)!r} (begun with {theirs.get(name)!r})"
        for name in {**theirs, **ours}
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise ParameterError(
            f"Got other settings than those of the fit in {out}: {', '.join(differing)}. A resumed "
            "fit goes on with its own: leave them out. To train its model further with others, "
            f"fit into another folder with --from {out}."
        )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings that lie in one another side by side, lists as tuples."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, "option " if name == "options" else "")
        else:
            shown = "rounds" if name == "count" else name
            flat[prefix + shown] = tuple(value) if isinstance(value, list) else value
    return flat


def expect_same_code(begun: Mapping[str, str], task: str, out: Path) -> None:
    """Check that the code of a task's environment is what it was when a fit began."""
    now = code_of(task)
    if changed := [name for name in {**begun, **now} if begun.get(name) != now.get(name)]:
        raise ParameterError(
            f"{task} has changed since the fit in {out} was begun: {', '.join(changed)}. What it "
            "recorded is of the old one. Undo the change, or fit into another folder."
        )


def stored_settings(task: str, out: Path) -> FitConfig:
    """Read the settings of the fit in a folder; see `read_settings`."""
    return read_settings(task, out).config


def read_settings(task: str, out: Path) -> FitFile:
    """Read what the folder of a fit keeps of how it was begun.

    Raises:
        CheckpointError: if there are none, if they are broken, or if they are of another task.
    """
    try:
        stored = FitFile.from_json((out / CONFIG_FILE).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"There is nothing to resume in {out}: it holds no {CONFIG_FILE}. Fit without --resume."
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise CheckpointError(
            f"{out / CONFIG_FILE} is not the settings of a fit ({error}). Delete the folder and "
            "fit again."
        ) from error
    if not same_task(stored.task, task):
        raise CheckpointError(
            f"{out} holds a fit of {stored.task}, expected one of {task}. Give another --out."
        )
    return stored
