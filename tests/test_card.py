"""What a card may say, and cards of every layout that was ever written."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import pytest
import torch
from cards import rewrite, stored
from grids import SHIPPED_WRITTEN

from learned_envs import registry
from learned_envs.card import FORMAT, read_card
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.errors import CheckpointError
from learned_envs.evaluation.report import Report
from learned_envs.fit.config import FitConfig
from learned_envs.systems.reference import describe
from learned_envs.terminal import key_figures
from learned_envs.transfer import Comparison

ERRORS = {
    "system": "Hopper-v5",
    "horizons": [1, 10],
    "trajectories": 9,
    "curves": [
        {"name": "hold", "median": [0.5, 0.6], "mean": [0.7, 0.8]},
        {"name": "model", "median": [0.01, 0.02], "mean": [0.03, 0.04]},
    ],
}
TRAINING = {"updates": 3, "horizons": [2, 4], "held_out": 0.05, "seed": 7}
FIT = {"family": "second_order", "options": {"hidden": [8, 8]}, "data": None, "steps": 1000}
COMMON = {
    "seed": 0,
    "start": None,
    "real_steps": 4000,
    "data": {"sha256": "0f", "steps": 4000, "sources": {"random": 3000, "learner:ppo-0": 1000}},
    "held_out": ERRORS,
    "disagreement_threshold": 0.25,
}
AGENTS = {"seeds": [0, 1], "inside": [900.0, 800.0], "outside": [700.0, 650.0]}
ROUND = {"number": 1, "real_steps": 9, "error": 0.1, "inside": 1.0, "outside": 2.0, "minutes": 0.5}

LAYOUTS = {
    "hand-written": {},
    "0.1.0": {
        **COMMON,
        "fit": {**FIT, "training": TRAINING, "learners": 3},
        "returns": {**AGENTS, "agent": "PPO, 2,000,000 steps"},
    },
    "rounds": {
        **COMMON,
        "fit": {**FIT, "training": TRAINING, "rounds": {"rounds": 4, "steps_per_round": 20}},
        "sensor_errors": {},
        "rounds": [{**ROUND, "episodes": 4, "anew": False}],
        "chosen": "round 1, by the return outside",
        "training": {"update": 500, "score": -1.5},
    },
    "figures": {
        **COMMON,
        "fit": {**FIT, "training": TRAINING, "rounds": {"count": 0}},
        "sensor_errors": {"qfrc_constraint of the cart": 0.2},
        "returns": {
            **AGENTS,
            "agent": {"algorithm": "PPO", "steps": 1000, "use_sde": True},
            "episodes": 20,
            "trained_outside": [1000.0, 1200.0],
            "random": 20.0,
            "score": 0.6,
            "minutes": {"inside": 1.0, "outside": 2.0},
        },
        "fidelity": {
            "report": ERRORS,
            "long_run": {
                **{"agents": 3, "episodes": 50, "diverged": 0.0},
                **{"fell_inside": 0.0, "fell_outside": 0.1, "mean_median": 0.06},
                **{"mean_largest": 0.2, "spread_median": 1.0, "spread_farthest": 1.2},
            },
        },
    },
}
"""What was told of a model, by what first told it so."""


@pytest.fixture
def path(weights, tmp_path):
    return Path(shutil.copy(weights, tmp_path / "model.safetensors"))


@pytest.fixture(params=LAYOUTS)
def layout(request, path):
    rewrite(path, **LAYOUTS[request.param])
    return LAYOUTS[request.param]


class TestLayouts:
    def test_all_load_as_they_stand(self, path, layout):
        _, card = load_checkpoint(path, task="Hopper")
        assert card == stored(path)
        assert key_figures(read_card(path)).startswith("second_order, 3 members")

    def test_what_they_say_has_types(self, path, layout):
        card = read_card(path)
        assert card.real_steps == layout.get("real_steps")
        if "held_out" in layout:
            assert Report.of(card.held_out).to_dict()["horizons"] == (1, 10)
            assert FitConfig.from_dict(card.fit).training.seed == 7
        comparison = Comparison.of(card)
        assert (comparison is None) is ("trained_outside" not in layout.get("returns", {}))

    def test_they_are_written_as_they_were_read(self, path, layout):
        before = stored(path)
        save_checkpoint(path, *load_checkpoint(path))
        assert stored(path) == before

    def test_one_from_before_masses_and_sensors(self, path):
        def told(body):
            return {name: body[name] for name in ("name", "parent", "pos", "quat")}

        system = stored(path)["spec"]
        system["bodies"] = [told(body) for body in system["bodies"]]
        rewrite(path, spec=system, sensors=None)
        dynamics, card = load_checkpoint(path)
        assert card["spec"] == system
        assert dynamics.spec.bodies[1].mass is None
        assert dynamics.sensors == ()

    @pytest.mark.parametrize("task", SHIPPED_WRITTEN)
    def test_shipped_weights(self, task):
        path = registry.shipped_weights(task)
        names = stored(path)["sensors"]
        sensors = [n if isinstance(n, dict) else {"name": n, "size": 1} for n in names]
        assert load_checkpoint(task)[1] == {**stored(path), "format": FORMAT, "sensors": sensors}


NOTES = {"note": "the good one", "plain": 3, "format of mine": {"deep": [1, None]}}


class TestKeysOfUsersOwn:
    def test_they_stay(self, path):
        dynamics, card = load_checkpoint(path)
        card = {**card, **NOTES, "data": {**COMMON["data"], "where": "a drawer"}}
        save_checkpoint(path, dynamics, card)
        again = load_checkpoint(path)[1]
        assert NOTES.items() <= again.items()
        assert again["data"]["where"] == "a drawer"

    def test_a_training_keeps_them(self, pendulum_data, tmp_path):
        from learned_envs.data.trajectories import Trajectories
        from learned_envs.fit import TrainingConfig, train

        config = TrainingConfig(members=1, updates=2, batch_size=8, horizons=(1,), check_every=2)
        data = Trajectories.of(pendulum_data.load(), pendulum_data.spec)
        model = Ensemble(SecondOrder(hidden=(8,)), pendulum_data.spec, 1)
        train(model, data, data, config, tmp_path, {"task": "InvertedPendulum", **NOTES})
        card = load_checkpoint(tmp_path)[1]
        assert NOTES.items() <= card.items()
        assert card["training"]["update"] == 2


class TestWrongTypes:
    """Each is named, where it is written and where it is read."""

    @pytest.mark.parametrize(
        ("changes", "key"),
        [
            ({"seed": "zero"}, "$.seed"),
            ({"task": 3}, "$.task"),
            ({"real_steps": 1.5}, "$.real_steps"),
            ({"disagreement_threshold": "auto"}, "$.disagreement_threshold"),
            ({"data": {"sha256": "0f", "steps": 1}}, "`sources` - at `$.data`"),
            ({"held_out": {**ERRORS, "horizons": [1, "ten"]}}, "$.held_out.horizons[1]"),
            ({"returns": {"inside": [1.0], "outside": 2.0}}, "$.returns.outside"),
            ({"fidelity": {"report": None}}, "$.fidelity.report"),
            ({"fit": []}, "$.fit"),
            ({"rounds": {}}, "$.rounds"),
            ({"training": {"update": 3, "score": None}}, "$.training.score"),
        ],
    )
    def test_of_what_is_told(self, path, changes, key):
        dynamics, card = load_checkpoint(path)
        before = path.read_bytes()
        with pytest.raises(CheckpointError) as caught:
            save_checkpoint(path, dynamics, {**card, **changes})
        assert key in str(caught.value)
        assert path.read_bytes() == before
        rewrite(path, **changes)
        with pytest.raises(CheckpointError) as caught:
            read_card(path)
        assert key in str(caught.value)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "key"),
        [
            ({"members": "three"}, "$.members"),
            ({"sensors": [1]}, "$.sensors[0]"),
            ({"spec": {}}, "`reference_id` - at `$.spec`"),
            ({"config": 3}, "$.config"),
            ({"family": None}, "`family`"),
            ({"sha256": None}, "`sha256`"),
        ],
    )
    def test_of_what_the_model_determines(self, path, changes, key):
        rewrite(path, **changes)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        assert key in str(caught.value)

    def test_no_task(self, path):
        dynamics, _ = load_checkpoint(path)
        with pytest.raises(CheckpointError, match="`task`"):
            save_checkpoint(path, dynamics, {})

    def test_numbers_of_numpy_are_numbers(self, path):
        dynamics, card = load_checkpoint(path)
        quantile = torch.tensor(0.25).numpy().astype(float)[()]
        save_checkpoint(path, dynamics, {**card, "disagreement_threshold": quantile})
        assert read_card(path).disagreement_threshold == 0.25


def test_the_header_s_json_is_sorted_and_says_its_checksum(path):
    card = stored(path)
    assert list(card) == sorted(card)
    assert json.dumps(card) == json.dumps(card, sort_keys=True)
    assert len(card["checksum"]) == 64


def test_a_task_s_name_may_hold_a_long_path(path):
    # Which the file system takes, and a fit would fail on after its training.
    task = f"/{'folder/' * 60}robot.xml"
    dynamics, _ = load_checkpoint(path)
    save_checkpoint(path, dynamics, {"task": task})
    assert read_card(path).task == task


def test_free_bodies_of_earlier_versions_are_refused_with_what_to_do(tmp_path):
    path, family = tmp_path / "model.safetensors", SecondOrder(hidden=(8,))
    with closing(gym.make("Ant-v5")) as env:
        model = Ensemble(family, describe(env), 1)
    save_checkpoint(path, model, {"task": "Ant"})
    # Cards of that time do not say whether the model tells spreads.
    rewrite(path, spreads=None)
    with pytest.raises(CheckpointError, match=r"earlier version.*Fit Ant anew"):
        load_checkpoint(path)
