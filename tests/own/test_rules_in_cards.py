"""Rules lie in a card as data: damaged ones are refused, and nobody's code runs."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from cards import rewrite, stored
from grids import SHIPPED_WRITTEN

from learned_envs import Simulation, registry
from learned_envs.card import FORMAT, read_card
from learned_envs.checkpoint import load_checkpoint, open_checkpoint, save_checkpoint
from learned_envs.errors import CheckpointError
from learned_envs.tasks.traced import TracedTask

Plain = dict[str, Any]

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def path(run: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint, which a test may damage."""
    return Path(shutil.copy(run / "model.safetensors", tmp_path / "model.safetensors"))


def test_what_is_written_is_read_back(run: Path, tmp_path: Path) -> None:
    card = read_card(run)
    assert card.format == FORMAT == 4
    dynamics, plain = load_checkpoint(run)
    notes = ("A sentence that somebody added.",)
    save_checkpoint(tmp_path / "again.safetensors", dynamics, {**plain, "notes": notes})
    again = read_card(tmp_path / "again.safetensors")
    for name in ("rules", "equipment", "reference", "starts", "sensors", "spec", "sha256", "task"):
        assert getattr(again, name) == getattr(card, name)
    assert again.notes == notes
    starts = load_checkpoint(tmp_path / "again.safetensors")[0].starts
    assert starts is not None
    assert dynamics.starts is not None
    assert torch.equal(starts, dynamics.starts)
    ours, theirs = (Simulation.load(x) for x in (run, tmp_path / "again.safetensors"))
    state = ours.reset(3, torch.Generator().manual_seed(0))
    action = torch.full((3, 2), 0.3)
    assert torch.equal(ours.step(state, action).reward, theirs.step(state, action).reward)


def test_an_environments_own_rules_are_its_task(run: Path) -> None:
    assert isinstance(open_checkpoint(run).task, TracedTask)


@pytest.mark.parametrize("task", SHIPPED_WRITTEN)
def test_shipped_weights_have_the_tasks_of_the_catalogue(task: str) -> None:
    opened = open_checkpoint(task)
    assert type(opened.task) is registry.task_class(task)
    assert opened.card.rules is None
    assert opened.card.reference is None


@pytest.mark.parametrize("format", [1, 2, 3])
def test_cards_without_rules_load(format: int, tmp_path: Path) -> None:
    shipped = registry.shipped_weights("Hopper")
    path = Path(shutil.copy(shipped, tmp_path / "old.safetensors"))
    sensors = [] if format == 1 else None
    rewrite(path, format=format, sensors=sensors)
    dynamics, card = load_checkpoint(path)
    assert card["format"] == FORMAT
    state = Simulation.load(path).reset(2, torch.Generator().manual_seed(0))
    assert state.q.shape == (2, dynamics.spec.nq)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.safetensors")), ids=lambda p: p.stem)
def test_checkpoints_of_earlier_versions_have_no_rules(path: Path) -> None:
    assert stored(path)["format"] < FORMAT
    card = read_card(path)
    assert card.format == FORMAT
    assert (card.rules, card.equipment, card.reference) == (None, None, None)
    assert not isinstance(open_checkpoint(path).task, TracedTask)


def nodes_of(card: Plain) -> list[Any]:
    nodes: list[Any] = card["rules"]["step"]["nodes"]
    return nodes


def first(card: Plain, op: str) -> int:
    return next(place for place, node in enumerate(nodes_of(card)) if node[0] == op)


def unknown_operation(card: Plain) -> None:
    nodes_of(card)[first(card, "sub")][0] = "__import__"


def wrong_shape(card: Plain) -> None:
    nodes_of(card)[first(card, "sub")][2] = [7, 7]


def wrong_kind(card: Plain) -> None:
    nodes_of(card)[first(card, "sub")][3] = "bool"


def later_argument(card: Plain) -> None:
    place = first(card, "sub")
    nodes_of(card)[place][1] = [place, place]


def negative_argument(card: Plain) -> None:
    nodes_of(card)[first(card, "sub")][1] = [-1, 0]


def missing_argument(card: Plain) -> None:
    nodes_of(card)[first(card, "sub")][1] = [0]


def output_that_is_not_there(card: Plain) -> None:
    card["rules"]["step"]["outputs"]["reward"] = 100_000


def no_reward(card: Plain) -> None:
    del card["rules"]["step"]["outputs"]["reward"]


def reward_of_many(card: Plain) -> None:
    outputs = card["rules"]["step"]["outputs"]
    outputs["reward"] = outputs["observation"]


def termination_of_numbers(card: Plain) -> None:
    outputs = card["rules"]["step"]["outputs"]
    outputs["terminated"] = outputs["reward"]


def too_many_nodes(card: Plain) -> None:
    nodes_of(card).extend([["input", [], [], "float", "after.time"]] * 30_000)


def too_many_numbers(card: Plain) -> None:
    nodes_of(card)[first(card, "input")][2] = [10_000, 10_000]


def input_of_nobody(card: Plain) -> None:
    nodes_of(card)[first(card, "input")][4] = "after.nonsense"


def input_of_no_time(card: Plain) -> None:
    nodes_of(card)[first(card, "input")][4] = "tomorrow.qpos"


def memory_of_nobody(card: Plain) -> None:
    for node in nodes_of(card):
        if node[0] == "input" and str(node[4]).startswith("memory."):
            node[4] = "memory.env.nonsense"


def memory_of_another_shape(card: Plain) -> None:
    for leaf in card["spec"]["leaves"]:
        if leaf[0] == "env.last_action":
            leaf[1:3] = [3, [3]]


def memory_that_is_not_advanced(card: Plain) -> None:
    del card["rules"]["step"]["outputs"]["memory.env.last_action"]


def state_of_another_shape(card: Plain) -> None:
    for node in nodes_of(card):
        if node[0] == "input" and str(node[4]).endswith(".qpos"):
            node[2] = [2]


def no_equipment(card: Plain) -> None:
    card["equipment"] = None


def no_starts(card: Plain) -> None:
    card["starts"] = 0


def more_starts(card: Plain) -> None:
    card["starts"] = 4097


def sensors_that_rules_do_not_read(card: Plain) -> None:
    card["sensors"] = [{"name": "touch.a.b", "size": 1, "place": None}]


def another_observation_space(card: Plain) -> None:
    space = card["rules"]["observation_space"]
    card["rules"]["observation_space"] = {**space, "shape": [8]}


def another_action_space(card: Plain) -> None:
    space = card["rules"]["action_space"]
    card["rules"]["action_space"] = {**space, "shape": [3]}


def start_that_needs_an_action(card: Plain) -> None:
    card["rules"]["start"] = copy.deepcopy(card["rules"]["step"])


def text_for_rules(card: Plain) -> None:
    card["rules"] = "import os"


def key_of_rules_that_is_unknown(card: Plain) -> None:
    card["rules"]["hook"] = "os:system"


DAMAGES: list[Callable[[Plain], None]] = [
    *(unknown_operation, wrong_shape, wrong_kind, later_argument, negative_argument),
    *(missing_argument, output_that_is_not_there, no_reward, reward_of_many),
    *(termination_of_numbers, too_many_nodes, too_many_numbers, input_of_nobody),
    *(input_of_no_time, memory_of_nobody, memory_of_another_shape, memory_that_is_not_advanced),
    *(state_of_another_shape, no_equipment, no_starts, more_starts),
    *(sensors_that_rules_do_not_read, another_observation_space, another_action_space),
    *(start_that_needs_an_action, text_for_rules, key_of_rules_that_is_unknown),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_rules_are_refused(damage: Callable[[Plain], None], path: Path) -> None:
    card = copy.deepcopy(stored(path))
    damage(card)
    assert json.dumps(card) != json.dumps(stored(path))
    rewrite(path, **card)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        gym.make("LearnedSim-v0", checkpoint=path)


def test_a_card_that_was_only_copied_by_hand_is_as_good(path: Path) -> None:
    rewrite(path, **stored(path))
    env = gym.make("LearnedSim-v0", checkpoint=path)
    env.reset(seed=0)
    assert np.isfinite(env.step(np.zeros(2, np.float32))[1])
