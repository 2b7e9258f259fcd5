"""Damaged checkpoints: each opens as it was, or is refused by one error of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz_damage import crafted_header, damaged, dumped, header_of, mutated, with_header
from fuzz_work import EQUAL, FAULT, WORKS, Kind, Verdict, judged

from learned_envs import Simulation, State, registry
from learned_envs.card import checksum, read_card
from learned_envs.checkpoint import digest, load_checkpoint, save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.kinematics import Kinematics
from learned_envs.terminal import card_table, key_figures

MODELS = {
    "Hopper": "second_order",
    "InvertedDoublePendulum": "second_order",
    "InvertedPendulum": "recurrent",
}
"""Tasks and families of the checkpoints that are damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, and what it holds."""

    task: str
    data: bytes
    sha256: str
    card: dict[str, Any]


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Make small checkpoints of untrained models that know the range of some made-up motion."""
    made = []
    for task, name in MODELS.items():
        dynamics = load_checkpoint(task)[0]
        spec, sensors = dynamics.spec, dynamics.sensors
        torch.manual_seed(0)
        family: Any = registry.family_class(name)
        model = Ensemble(family(hidden=(8, 8)), spec, 2, sensors)
        kinematics = Kinematics(spec)
        q = torch.tensor(spec.q0) + 0.1 * torch.randn(200, spec.nq)
        v, action = torch.randn(200, spec.nv), 2 * torch.rand(200, spec.nu) - 1
        v_next = v + spec.dt * (action.sum(-1, keepdim=True) - v)
        reached = State(kinematics.advance(q, spec.dt * (v + v_next) / 2), v_next)
        model.normalise(State(q, v), action, reached)
        path = folder / f"{task}.safetensors"
        save_checkpoint(path, model, {"task": task, "seed": 0, "disagreement_threshold": 9.0})
        dynamics, card = load_checkpoint(path)
        made.append(Checkpoint(task, path.read_bytes(), digest(dynamics.state_dict()), card))
    return made


def open_checkpoint(path: Path, whole: Checkpoint, compare: bool) -> Verdict:
    """Open a checkpoint and use it: its card, its table, a few steps."""
    card = read_card(path)
    key_figures(card), card_table(card, path)
    simulation = Simulation.load(path)
    state = simulation.reset(3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(2):
            step = simulation.step(state, torch.zeros(3, simulation.task.spec.nu), True)
            state = step.state
    if not all(t.isfinite().all() for t in (state.q, state.v, step.observation, step.reward)):
        return FAULT, "its steps are not finite"
    if not compare:
        return WORKS, ""
    same = digest(simulation.dynamics.state_dict()) == whole.sha256
    if same and dict(simulation.card) == whole.card:
        return EQUAL, ""
    return FAULT, f"it opened with {'another card' if same else 'other weights'}"


def checkpoint_bytes(random: Random, shared: list[Checkpoint], folder: Path) -> Verdict:
    """Damage the bytes of a checkpoint."""
    whole = random.choice(shared)
    data, said = damaged(whole.data, random)
    return checkpoint_case(whole, data, said, folder, compare=True)


def checkpoint_headers(random: Random, shared: list[Checkpoint], folder: Path) -> Verdict:
    """Change what the header of a checkpoint says of its tensors."""
    whole = random.choice(shared)
    data, said = crafted_header(whole.data, random)
    return checkpoint_case(whole, data, said, folder, compare=True)


def cards(random: Random, shared: list[Checkpoint], folder: Path) -> Verdict:
    """Change the card of a checkpoint and leave its checksum."""
    whole = random.choice(shared)
    data, said, same = with_card(whole.data, random, sealed=False)
    if same:
        return EQUAL, said
    return checkpoint_case(whole, data, said, folder, compare=True)


def sealed_cards(random: Random, shared: list[Checkpoint], folder: Path) -> Verdict:
    """Change the card of a checkpoint and its checksum with it, as somebody may on purpose."""
    whole = random.choice(shared)
    data, said, _ = with_card(whole.data, random, sealed=True)
    return checkpoint_case(whole, data, said, folder, compare=False)


def with_card(data: bytes, random: Random, sealed: bool) -> tuple[bytes, str, bool]:
    """Return a checkpoint with another card, what was changed, and whether nothing was."""
    header, tensors = header_of(data)
    plain = json.loads(header["__metadata__"]["card"])
    changed, said = mutated(plain, random)
    if sealed and isinstance(changed, dict):
        try:
            changed["checksum"] = checksum(changed)
        except (ValueError, TypeError, RecursionError):
            said += "; it cannot be sealed"
    text = dumped(changed, sort_keys=True)
    header["__metadata__"]["card"] = text
    return with_header(header, tensors), f"card: {said}", dumped(plain, sort_keys=True) == text


def checkpoint_case(
    whole: Checkpoint, data: bytes, said: str, folder: Path, compare: bool
) -> Verdict:
    """Write a checkpoint and open it."""
    path = folder / "model.safetensors"
    path.write_bytes(data)
    verdict, more = judged(lambda: open_checkpoint(path, whole, compare), f"{whole.task}, {said}")
    return verdict, more or said


CHECKPOINTS = (
    Kind("checkpoints, bytes", checkpoints, checkpoint_bytes),
    Kind("checkpoints, headers", checkpoints, checkpoint_headers),
    Kind("cards", checkpoints, cards),
    Kind("cards, sealed again", checkpoints, sealed_cards),
)
