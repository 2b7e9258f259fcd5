import dataclasses
import json
import zipfile

import numpy as np
import pytest
import torch

from learned_envs import State
from learned_envs.card import read_card
from learned_envs.data.source import ImportedDataset
from learned_envs.errors import CheckpointError, ParameterError, UnknownNameError
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, episodes, fit
from learned_envs.fit.config import RoundsConfig
from learned_envs.fit.observer import Observer
from learned_envs.fit.round import (
    Round,
    finished,
    read_history,
    settled,
    whole_returns,
    write_history,
)
from learned_envs.fit.run import evaluate_run
from learned_envs.sb3 import Agent, Improver

TASK = "InvertedPendulum"


@pytest.fixture(scope="module")
def config():
    training = TrainingConfig(
        members=2, batch_size=32, horizons=(1, 2), check_every=10, held_out=0.2
    )
    # 4,096 steps inside are one round of PPO's learning.
    rounds = RoundsConfig(count=2, steps_per_round=1200, updates_per_round=20, agent_steps=4096)
    return FitConfig(options={"hidden": (16, 16)}, training=training, rounds=rounds)


@pytest.fixture(scope="module")
def fitted(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("rounds") / "run"
    fit(TASK, out, config, device="cpu")
    return out


def test_the_card_holds_every_round_and_says_how_one_was_chosen(fitted):
    card = read_card(fitted)
    rounds = [Round(**figures) for figures in card.rounds]
    assert [round.real_steps for round in rounds] == [1200, 2400]
    best = max(rounds, key=lambda round: round.outside)
    assert f"round {best.number}" in card.chosen
    assert card.real_steps == 2400
    assert rounds == read_history(fitted)


def test_returns_outside_are_those_of_the_budget_s_own_steps(fitted):
    dataset = Dataset.open(fitted / "data")
    assert dataset.steps == 2400
    assert set(dataset.actors) == {"random", "learner:trial-1", "learner:trial-2", "agent:round-1"}
    first = read_card(fitted).rounds[0]
    returns = whole_returns(dataset.load(), "learner:trial-1", 1000)
    assert first["outside"] == np.mean(returns)
    assert first["episodes"] == len(returns)


def test_the_chosen_agent_is_left_beside_the_model(fitted):
    agent = Agent.load(fitted / "agent")
    assert agent(np.zeros((3, 4))).shape == (3, 1)


def test_a_run_s_folder_holds_no_pickles(fitted):
    # The log that TensorBoard reads is of protocol buffers; its name has no suffix.
    known = {".json", ".safetensors", ".lock", ".png"}
    files = [p for p in fitted.rglob("*") if p.is_file() and p.parent.name != "curves"]
    assert {p.suffix for p in files} <= known
    assert not any(zipfile.is_zipfile(p) for p in files)
    for path in files:
        beginning = path.read_bytes()[:9]
        if path.suffix == ".safetensors":
            # The length of its JSON may begin as a pickle does.
            assert beginning[8:] == b"{"
        else:
            assert beginning[:1] != b"\x80"


def test_a_fit_that_was_interrupted_goes_on(config, fitted, tmp_path):
    def interrupt(progress, plan):
        # Each round's training has 20 updates: this is the second round's.
        seen.append(progress.update)
        if seen.count(7) == 2:
            raise KeyboardInterrupt

    seen: list[int] = []
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(
            TASK,
            out,
            config,
            improver=Improver.of,
            device="cpu",
            observer=Observer(trained=interrupt),
        )
    rounds, collected, learned = [], [], []
    observer = Observer(
        collected=lambda *steps: collected.append(steps),
        learned=lambda *steps: learned.append(steps),
        improved=rounds.append,
    )
    fit(TASK, out, improver=Improver.of, resume=True, device="cpu", observer=observer)
    assert [round.number for round in rounds] == [2]
    assert collected[-1] == (2400, 2400)
    assert learned[-1] == (4096, 4096)
    assert read_card(out).sha256 == read_card(fitted).sha256
    again, before = (read_card(folder).rounds for folder in (out, fitted))
    assert list(again) == [
        {**figures, "minutes": a["minutes"]} for a, figures in zip(again, before, strict=True)
    ]


@pytest.mark.parametrize("algorithm", ["sac", "td3"])
def test_other_algorithms_improve_too(algorithm, fitted, tmp_path):
    improve = Improver(TASK, algorithm, steps=3300)
    starts = Dataset.open(fitted / "data").load()
    rows = slice(0, 50)
    state = State(torch.tensor(starts.qpos[rows]), torch.tensor(starts.qvel[rows]))
    policy = improve(fitted, state, None, tmp_path / "agent", seed=0)
    assert policy(np.zeros((3, 4))).shape == (3, 1)


def test_rounds_go_on_from_data_that_was_recorded_before(config, fitted, tmp_path):
    # That of other rounds: their collections must not be taken for these rounds' own.
    before = Dataset.open(fitted / "data")
    out = tmp_path / "run"
    plan = dataclasses.replace(config.rounds, count=1)
    again = dataclasses.replace(config, data=str(before.path), start=str(fitted), rounds=plan)
    again = dataclasses.replace(again, options={})
    fit(TASK, out, again, device="cpu")
    # Three quarters of a round.
    data, trial = Dataset.open(out / "data"), 900
    assert data.steps == before.steps + trial
    assert [shard.sha256 for shard in data.shards[:-1]] == [s.sha256 for s in before.shards]
    assert Dataset.open(before.path).digest == before.digest
    (round,) = read_card(out).rounds
    assert round["real_steps"] == data.steps
    _, where = evaluate_run(out, trajectories=10)
    assert str(out / "data") in where
    # Another package's data cannot be added to.
    source = ImportedDataset(before.path, TASK, before.spec, "", before.load())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episodes, "open_dataset", lambda *_: source)
        with pytest.raises(ParameterError, match="not of this package"):
            fit(TASK, tmp_path / "other", again, device="cpu")
    assert not (tmp_path / "other").exists()


def test_rounds_need_a_known_improver(config, tmp_path):
    unknown = dataclasses.replace(config.rounds, algorithm="pppo")
    with pytest.raises(UnknownNameError, match="Did you mean 'ppo'"):
        fit(TASK, tmp_path / "run", dataclasses.replace(config, rounds=unknown))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([(100, 100), (100, 101)], False),
        ([(100, 100), (100, 101), (99, 100)], True),
        ([(100, 100), (150, 155), (160, 158)], False),
        ([(100, 100), (100, 50), (100, 100)], False),
    ],
    ids=["too few", "agree", "still better", "a gap"],
)
def test_an_agent_is_settled_where_returns_agree_and_nothing_gets_better(returns, expected):
    assert settled(rounds_of(returns), agreement=0.1) is expected


def test_figures_of_rounds_are_read_as_they_were_written(tmp_path):
    history = rounds_of([(100.5, 100.25), (99.0, 101.0)])
    assert read_history(tmp_path) == []
    write_history(tmp_path, history)
    assert read_history(tmp_path) == history
    # One from before rounds could begin anew.
    text = (tmp_path / "rounds.json").read_text()
    (tmp_path / "rounds.json").write_text(text.replace("100.25", "900.25"))
    with pytest.raises(CheckpointError, match="checksum"):
        read_history(tmp_path)
    figures = json.loads(text)["rounds"]
    del figures[0]["anew"]
    (tmp_path / "rounds.json").write_text(json.dumps(figures))
    assert read_history(tmp_path) == history
    for damage, key in [('[{"number": "one"}]', "number"), ("{}", "array"), ("[", "rounds")]:
        (tmp_path / "rounds.json").write_text(damage)
        with pytest.raises(CheckpointError, match=key):
            read_history(tmp_path)


@pytest.mark.parametrize(("outside", "expected"), [(120, False), (105, True)])
def test_rounds_stop_where_a_new_agent_is_no_better_than_a_settled_one(outside, expected):
    history = rounds_of([(100, 100), (100, 101), (99, 100)])
    assert not finished(history, agreement=0.1)
    last = dataclasses.replace(history[-1], inside=300, outside=outside, anew=True)
    assert finished([*history, last], agreement=0.1) is expected


def rounds_of(returns):
    return [
        Round(i, i, 0.0, inside, outside, 1, 0.0) for i, (inside, outside) in enumerate(returns, 1)
    ]
