"""A leaf of the state beside q and v: whoever does not compute it hands it on.

The pendulum's motor is slow: its activation follows the control by a filter, and makes the force.
A family of the user's computes it, and nothing else knows of it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import gymnasium.envs.mujoco
import numpy as np
import pytest
import torch
from users import users_module

from learned_envs import load_checkpoint, register_family, register_task
from learned_envs.evaluation.report import Report
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit

TIME_CONSTANT = 0.15
STEP = 0.04

MODULE = f"""
import math
from dataclasses import dataclass, replace

from learned_envs.dynamics.second_order import SecondOrder, SecondOrderDynamics
from learned_envs.systems.reference import describe_reference
from learned_envs.systems.spec import Leaf

DECAY = math.exp(-{STEP} / {TIME_CONSTANT})


def spec(entry):
    return replace(describe_reference(entry), leaves=(Leaf("act", 1, seen=False),))


@dataclass(frozen=True)
class Filtered(SecondOrder):
    def build(self, spec, members=None):
        return FilteredDynamics(self, spec, members)


class FilteredDynamics(SecondOrderDynamics):
    computes = ("act",)

    def begin(self, state, generator=None):
        return state.remember(act=state.v.new_zeros(*state.v.shape[:-1], 1))

    def step(self, state, action, disagreement=False):
        before = state.memory["act"]
        after = action + (before - action) * DECAY
        return super().step(state.remember(act=after), (before + after) / 2)

    def normalise(self, state, action, next_state):
        mean = (state.memory["act"] + next_state.memory["act"]) / 2
        super().normalise(state, mean, next_state)
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("slow")
    xml = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "inverted_pendulum.xml"
    slow = f'<general dyntype="filter" dynprm="{TIME_CONSTANT}"'
    text, count = re.subn(r"<motor(?=[^>]*gear)", slow, xml.read_text())
    assert count == 1
    (folder / "slow.xml").write_text(text)
    with users_module(folder, "my_motor", MODULE) as name:
        register_family("filtered", f"{name}:Filtered")
        register_task(
            "SlowPendulum",
            "learned_envs.tasks.inverted_pendulum:InvertedPendulum",
            reference_id="InvertedPendulum-v5",
            kwargs={"xml_file": str(folder / "slow.xml")},
            spec=f"{name}:spec",
        )
        yield "SlowPendulum"


@pytest.fixture(scope="module")
def data(task: str, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return collect(task, 6000, tmp_path_factory.mktemp("data") / "d", workers=1)


@pytest.fixture(scope="module")
def runs(task: str, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A fit of the family that computes the leaf, and of one that hands it on."""
    training = TrainingConfig(members=2, updates=300, check_every=150, horizons=(2, 4))
    folders = {}
    for family in ("filtered", "second_order"):
        folders[family] = tmp_path_factory.mktemp("runs") / family
        config = FitConfig(
            family=family, data=str(data.path), options={"hidden": (32, 32)}, training=training
        )
        fit(task, folders[family], config, device="cpu")
    return folders


def test_it_is_recorded_as_mujoco_has_it(data: Dataset) -> None:
    episode = data.load().episode(0)
    act, control = episode.columns["act"][:, 0], episode.actions[:, 0]
    # MuJoCo's Euler steps, of 0.02 s, and RK4's lie within 2e-3 of the filter's own solution here.
    expected = control + (act[:-1] - control) * np.exp(-STEP / TIME_CONSTANT)
    np.testing.assert_allclose(act[1:], expected, atol=0.02)


def test_who_computes_it_predicts_better(runs: dict[str, Path]) -> None:
    errors = {}
    for family, run in runs.items():
        report = Report.from_dict(load_checkpoint(run)[1]["held_out"])
        errors[family] = report.curve("model").median[0]
    # Measured after a step: 5e-5 to 2e-4 against 5e-3, over three seeds.
    assert errors["filtered"] < errors["second_order"] / 5


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize(
    "options", [{"max_disagreement": None}, {}, {"ensemble": "mean"}], ids=["one", "all", "mean"]
)
def test_every_face_carries_it(
    runs: dict[str, Path], task: str, compile: bool, options: dict[str, Any]
) -> None:
    options = {"checkpoint": runs["filtered"], "compile": compile, **options}
    expected = 3.0 * (1 - np.exp(-5 * STEP / TIME_CONSTANT))
    env = gym.make(f"LearnedSim-{task}-v0", **options)
    envs = gym.make_vec(f"LearnedSim-{task}-v0", num_envs=200, **options)
    for face in (env, envs):
        face.reset(seed=0)
        push = np.full(face.action_space.shape, 3.0, np.float32)
        for _ in range(5):
            face.step(push)
        act = face.unwrapped.state.memory["act"]
        # float32 rounding over five steps
        torch.testing.assert_close(act, torch.full_like(act, expected), rtol=0, atol=1e-5)
