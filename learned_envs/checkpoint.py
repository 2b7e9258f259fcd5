"""A checkpoint: one safetensors file of weights, with a card in its header, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from learned_envs import argument, registry
from learned_envs.card import (
    FILE_NAME,
    FORMAT,
    Card,
    broken,
    card_at,
    expect_own_frames,
    find_checkpoint,
    read_card,
    write_card,
)
from learned_envs.defaults import usual_defaults
from learned_envs.device import find_device
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.dynamics.half import in_half
from learned_envs.dynamics.network import shapes_alone
from learned_envs.errors import CheckpointError, LearnedEnvsError, UnknownNameError
from learned_envs.files import write_whole
from learned_envs.location import Location, locate
from learned_envs.named_tensors import digest, non_finite, some
from learned_envs.tasks.motion import Motion
from learned_envs.tasks.task import Task, Transition
from learned_envs.tasks.traced import TracedTask

__all__ = [
    "FILE_NAME",
    "FORMAT",
    "digest",
    "find_checkpoint",
    "find_device",
    "load_checkpoint",
    "non_finite",
    "read_card",
    "save_checkpoint",
]


def save_checkpoint(path: str | Path, dynamics: Ensemble, card: Mapping[str, Any]) -> None:
    """Write weights and card to `path`, whole or not at all: a failed write keeps the old file.

    What the model itself determines is added to the card, such as family, sensors and spec.

    Args:
        path: the file to write.
        dynamics: the model.
        card: plain data for JSON, which must name the `task`. The fields of
            [`Card`][learned_envs.card.Card] are what it may say. Other keys are kept as they are.

    Raises:
        OutputError: if the file cannot be written.
        CheckpointError: if a weight is not finite, or if the card names no task, or is not plain,
            finite data of its fields' types.
        UnknownNameError: if the model's family is not registered.
    """
    argument.instance("dynamics", dynamics, Ensemble)
    argument.instance("card", card, Mapping)
    own = {name: t.detach().cpu().contiguous() for name, t in dynamics.state_dict().items()}
    tensors = in_half(own)
    if bad := non_finite(tensors):
        raise CheckpointError(
            f"Cannot write {path}: {some(bad)} of the model are not finite. Expected finite "
            "weights; train with a lower learning rate, and look for outliers in the data."
        )
    text = write_card(
        {
            **card,
            "format": FORMAT,
            "family": registry.family_name(type(dynamics.family)),
            "config": asdict(dynamics.family),
            "members": dynamics.members,
            "sensors": [{"name": s.name, "size": s.size} for s in dynamics.sensors],
            "spreads": dynamics.spreads,
            "starts": 0 if dynamics.starts is None else len(dynamics.starts),
            "spec": dynamics.spec.to_dict(),
            "versions": {
                name: version(name) for name in ("learned-envs", "torch", "mujoco", "gymnasium")
            },
            "sha256": digest(tensors),
        }
    )
    write_whole(argument.path("path", path), save(tensors, {"card": text}))


class Opened(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        dynamics: the model, ready to predict.
        card: what it says of itself.
        task: what is asked of the system.
    """

    dynamics: Ensemble
    card: Card
    task: Task


def load_checkpoint(
    checkpoint: str | Path, device: str | torch.device = "cpu", task: str | None = None
) -> tuple[Ensemble, dict[str, Any]]:
    """Read a model, ready to predict, and its card as plain data.

    See [`open_checkpoint`][learned_envs.checkpoint.open_checkpoint].

    Examples:
        >>> dynamics, card = load_checkpoint("InvertedPendulum")
        >>> dynamics.spec.dt, card["family"]
        (0.04, 'second_order')
    """
    opened = open_checkpoint(checkpoint, device, task)
    return opened.dynamics, opened.card.plain


def open_checkpoint(
    checkpoint: str | Path, device: str | torch.device = "cpu", task: str | None = None
) -> Opened:
    """Read a model, its card and its task.

    Args:
        checkpoint: a file, a fit's folder, the name or id of a task with shipped weights, or a
            model on the hub, `hf://user/name`.
        device: where the model goes.
        task: the task that the weights must be of; None takes any.

    Raises:
        CheckpointError: if the file is missing, broken, of another task or of a newer format, or
            cannot be had from the hub; or if its model is of an unknown family, or does not predict
            its task's sensors.
        UnknownNameError: if `checkpoint` is neither a path that exists nor a task's name.
        DeviceError: if there is no such device.
    """
    found = locate(checkpoint)
    device = find_device(device)
    with found.told():
        return _opened(found, device, task)


def _opened(found: Location, device: torch.device, task: str | None) -> Opened:
    """Read what was found; see `open_checkpoint`."""
    path = found.path
    card = card_at(found, task)
    expect_own_frames(path, card)
    try:
        with usual_defaults(random=False):
            with shapes_alone():
                dynamics = _model_of(card)
            tensors = _read_tensors(path, dynamics)
    except CheckpointError:
        raise
    except UnknownNameError as error:
        raise broken(path, f"its card names what is not known here ({error})") from error
    # A card can say anything, and what a family makes of it can fail in any way.
    except Exception as error:
        raise broken(path, f"its tensors do not fit its card ({error})") from error
    if digest(tensors) != card.sha256:
        raise broken(path, "its tensors do not match its checksum")
    if bad := non_finite(tensors):
        raise broken(path, f"its tensors {some(bad)} are not finite")
    expected = dynamics.state_dict()
    with torch.inference_mode(False):
        dynamics.load_state_dict(
            # Copies, because what was read may be a map of the file, which others may overwrite.
            {name: tensor.to(expected[name].dtype, copy=True) for name, tensor in tensors.items()},
            assign=True,
        )
    asked = _task_of(path, card, dynamics)
    observed, predicted = ([(s.name, s.size) for s in of.sensors] for of in (asked, card))
    if predicted != observed:
        raise CheckpointError(
            f"{path} holds a model that predicts the sensors {predicted}, expected {observed}, "
            f"which {card.task} needs. Fit {card.task} again."
        )
    _try_task(path, asked, dynamics)
    return Opened(dynamics.to(device).eval().requires_grad_(False), card, asked)


def _task_of(path: Path, card: Card, dynamics: Ensemble) -> Task:
    """Make the task that a card tells of.

    Raises:
        CheckpointError: if the card has no rules and nobody registers its task, or if its system is
            not one of the task.
    """
    if card.rules is not None:
        if dynamics.starts is None or card.equipment is None:
            raise broken(path, "its card has rules without starts or equipment")
        return TracedTask(
            spec=card.spec,
            rules=card.rules,
            equipment=card.equipment,
            starts=dynamics.starts.cpu(),
            name=card.task,
        )
    if card.reference is not None:
        return Motion(spec=card.spec)
    try:
        task_class = registry.task_class(card.task)
    except LearnedEnvsError as error:
        raise CheckpointError(
            f"{path} holds weights of a task that is not known here ({error}) Import the module "
            "that registers it before."
        ) from error
    try:
        return task_class.create(dynamics.spec, {})
    except Exception as error:
        name = task_class.__name__
        raise broken(path, f"its card's system is none that {name} knows ({error})") from error


def _model_of(card: Card) -> Ensemble:
    """Make the model that a card tells of, without its weights."""
    config: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in card.config.items()
    }
    family = registry.family_class(card.family)(**config)
    return Ensemble(family, card.spec, card.members, card.sensors, card.starts, card.spreads)


def _read_tensors(path: Path, dynamics: Ensemble) -> dict[str, torch.Tensor]:
    """Read the tensors of a file, after its header says that they are those of the model.

    Raises:
        CheckpointError: if they are not, or cannot be read.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in dynamics.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        tensors = load_file(path) if found == expected else {}
    except (SafetensorError, OSError) as error:
        raise broken(path, str(error)) from error
    if differing := sorted(
        name for name in found.keys() | expected if found.get(name) != expected.get(name)
    ):
        name = differing[0]
        raise broken(
            path,
            f"its tensors do not fit its card: {some(differing)}; {name} has the shape "
            f"{found.get(name)}, expected {expected.get(name)}",
        )
    return tensors


def _try_task(path: Path, task: Task, dynamics: Ensemble) -> None:
    """Ask a task about a start of the card's system.

    Raises:
        CheckpointError: if it fails, because the system is not one of the task.
    """
    try:
        with usual_defaults():
            state = task.initial_state(1, torch.Generator().manual_seed(0))
            readings = {sensor.name: torch.zeros(1, sensor.size) for sensor in dynamics.sensors}
            action, still = torch.zeros(1, dynamics.spec.nu), torch.zeros(1, dynamics.spec.nv)
            task.observation(state, readings)
            task.judge(Transition(state, action, state, still, readings))
    except Exception as error:
        name = type(task).__name__
        raise broken(path, f"its card's system is none that {name} knows ({error})") from error
