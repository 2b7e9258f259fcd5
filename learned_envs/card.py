"""The card of a checkpoint: all that it may say, and how it is read from the file's header.

A card is plain data. Its keys are the fields of [`Card`][learned_envs.card.Card]. It is checked
against them when it is written and when it is read. Keys of your own, such as notes, are kept as
they are. None of this needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta
from safetensors import SafetensorError, safe_open

from learned_envs import registry
from learned_envs.card_entries import Entries, Reference
from learned_envs.errors import CheckpointError
from learned_envs.figures import Checked, Data
from learned_envs.files import check_header
from learned_envs.location import FILE_NAME, Location, find_checkpoint, locate
from learned_envs.rules.fitting import check_rules
from learned_envs.schema import (
    Migration,
    Name,
    Plain,
    Word,
    checksum,
    decoded,
    format_of,
    migrated,
)
from learned_envs.systems.consistency import check_spec
from learned_envs.systems.equipment_check import check_equipment
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.size import check_size
from learned_envs.systems.spec import SystemSpec

__all__ = [
    "FILE_NAME",
    "Card",
    "Checked",
    "Data",
    "Entries",
    "Reference",
    "checksum",
    "find_checkpoint",
    "read_card",
    "write_card",
]

FORMAT = 4
"""Version of the card's layout; a newer one is refused."""


def _from_1(card: Plain) -> Plain:
    """In format 1, sensors were names of single numbers; the first models saw no joint limits."""
    names, config = card.get("sensors", []), card.get("config")
    if isinstance(names, list):
        card = {**card, "sensors": [{"name": name, "size": 1} for name in names]}
    if card.get("family") == "second_order" and isinstance(config, dict):
        card = {**card, "config": {**config, "joint_limits": config.get("joint_limits", False)}}
    return card


def _from_3(card: Plain) -> Plain:
    """Up to format 3, leaves were pairs of name and size, which only a family's own code saw."""
    spec = card.get("spec")
    leaves = spec.get("leaves") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(leaves, list):
        return card
    unseen = [
        [*leaf, [leaf[1]], False, False] if isinstance(leaf, list) and len(leaf) == 2 else leaf
        for leaf in leaves
    ]
    return {**card, "spec": {**spec, "leaves": unseen}}


MIGRATIONS: Mapping[int, Migration] = {1: _from_1, 2: lambda card: card, 3: _from_3}
"""What turns a card of an older format into one of the next; see `schema`. Up to format 2 there
were cards without a checksum, and up to format 3 without rules."""

CHECKSUMMED = 3
"""The first format in which every card has a checksum of its own."""

MOST_READ = 100_000
"""Numbers of all sensors together."""


class Card(Entries, kw_only=True, frozen=True):
    """The whole card of a checkpoint: its entries, and what the model itself determines.

    Attributes:
        plain: the card as plain data, with users' own keys.
        format: of the layout.
        family: name of the model family.
        config: the family's options.
        members: models in the ensemble.
        sensors: what the model predicts beside the state; cards of 0.1.0 have none.
        spreads: whether it says how wrong these readings may be; older ones do not.
        starts: how many recorded states it holds for episodes to start from.
        spec: the system.
        versions: of the libraries that made the weights.
        sha256: of the tensors.
        pinned: the commit of the hub that the file is of, which the file itself does not know.
    """

    plain: Plain
    pinned: str | None = None
    task: Name
    format: int
    family: Word
    config: dict[str, Any]
    members: Annotated[int, Meta(ge=1, le=1000)]
    sensors: Annotated[tuple[Sensor, ...], Meta(max_length=1000)] = ()
    spreads: bool = False
    starts: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    spec: SystemSpec
    versions: dict[str, str]
    sha256: str

    def __post_init__(self) -> None:
        """Check that what it says agrees.

        Raises:
            ValueError: if it does not; msgspec makes a ValidationError of it.
        """
        check_spec(self.spec)
        check_size(self.spec)
        if self.equipment is not None:
            check_equipment(self.equipment, self.spec)
        if self.rules is not None:
            check_rules(self.rules, self.spec)
        names = [sensor.name for sensor in self.sensors]
        sizes = [sensor.size for sensor in self.sensors]
        if len({*names}) < len(names) or min(sizes, default=1) < 1 or sum(sizes) > MOST_READ:
            raise ValueError(
                f"Got sensors {names!r:.200} of sizes {sizes!r:.200}, expected names of their own "
                f"and sizes from 1 on, of {MOST_READ:,} together at most"
            )
        reports = [self.held_out, self.fidelity.report if self.fidelity else None]
        for report in reports:
            if report is not None and not report.times_hold():
                raise ValueError("Got errors of rollouts without those of `model` and of `hold`")

    @property
    def environment(self) -> str:
        """The id that the weights are made into an environment by."""
        own = self.task not in registry.TASKS
        return registry.ANY if own else registry.env_id(self.task)

    @property
    def modelled_on(self) -> str:
        """What the real environment is called."""
        return self.task if self.task not in registry.TASKS else self.spec.reference_id

    @property
    def hosted(self) -> bool:
        """Whether its rules are the real environment's own code, as it holds none."""
        return self.reference is not None and self.rules is None

    @classmethod
    def of(cls, plain: Plain, pinned: str | None = None) -> Self:
        """Read a card of the newest format, and note the commit of the hub that it is of.

        Raises:
            msgspec.ValidationError: if a key is missing, if a value is of another type or out of
                its bounds, or if what it says does not agree.
        """
        known = plain if pinned is None else {**plain, "pinned": pinned}
        return msgspec.convert({**known, "plain": known, "pinned": pinned}, cls)


def read_card(checkpoint: str | Path, task: str | None = None) -> Card:
    """Read a checkpoint's card alone, in a few milliseconds.

    Args:
        checkpoint: a file, a fit's folder, the name or id of a task with shipped weights, or a
            model on the hub, `hf://user/name`.
        task: the task that the weights must be of; None takes any.

    Raises:
        CheckpointError: if the file is missing, broken, of another task or of a newer format, or
            cannot be had from the hub.
        UnknownNameError: if `checkpoint` is neither a path that exists nor a task's name.

    Examples:
        >>> read_card("LearnedSim-Hopper-v0").family
        'second_order'
    """
    found = locate(checkpoint)
    with found.told():
        return card_at(found, task)


def card_at(found: Location, task: str | None = None) -> Card:
    """Read the card of a checkpoint that was found; see `read_card`."""
    path = found.path
    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {})["card"]
    except KeyError:
        raise broken(path, "it holds no card, so another program wrote it") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise broken(path, f"{error} (pickles, .pt, .pth and .zip are never read)") from error
    try:
        plain = decoded(text)
        number = format_of(plain)
    except msgspec.MsgspecError as error:
        raise broken(path, f"what it holds is not a card ({error})") from error
    if number > FORMAT:
        raise CheckpointError(
            f"{path} has format {number}, this version reads up to {FORMAT}. Upgrade learned-envs."
        )
    try:
        told = plain.get("checksum")
        if told != checksum(plain) and (told is not None or number >= CHECKSUMMED):
            raise broken(path, "its card does not match its checksum")
        card = Card.of(migrated(plain, MIGRATIONS), found.pinned)
    except (msgspec.ValidationError, ValueError) as error:
        raise broken(path, f"its card is not as it should be ({error})") from error
    if task is not None and not registry.same_task(card.task, task):
        raise CheckpointError(
            f"{path} holds weights for {card.task}, expected {task}. "
            f"Use {registry.env_id(card.task)}, or fit {task}."
        )
    return card


def write_card(plain: Mapping[str, Any]) -> str:
    """Return a card as a header holds it: as JSON, with a checksum of its own.

    Raises:
        CheckpointError: if it is not plain data for JSON or not finite, or if a key is missing or
            a value of another type.
    """
    try:
        text = json.dumps({**plain, "checksum": checksum(plain)}, sort_keys=True, allow_nan=False)
        Card.of(decoded(text))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise CheckpointError(
            f"Cannot write the card of a checkpoint: {error}. It is plain data for JSON, with "
            "finite numbers. Its keys are the fields of learned_envs.card.Card; give notes of your "
            "own another key."
        ) from error
    return text


def expect_own_frames(path: Path, card: Card) -> None:
    """Refuse a model that sees a free body along the world's axes.

    Earlier versions fitted such models; what they wrote says nothing of spreads.

    Raises:
        CheckpointError: if it is one.
    """
    if "spreads" not in card.plain and any(joint.kind == "free" for joint in card.spec.joints):
        raise CheckpointError(
            f"{path} was fitted by an earlier version, whose models see free joints along the "
            f"world's axes. Fit {card.task} anew: its data can be used again."
        )


def broken(path: Path, why: str) -> CheckpointError:
    """Return the error that says why `path` is not a checkpoint."""
    return CheckpointError(
        f"{path} is not a readable checkpoint: {why}. Expected a .safetensors file that "
        "save_checkpoint or `learned-envs fit` wrote; copy or fit it again."
    )
