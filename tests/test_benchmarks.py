"""The benchmarks leave their figures in cards, and README's tables come from there."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from learned_envs.card import Entries, read_card
from learned_envs.catalogue import PENDULUMS
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.collect.collection import collect
from learned_envs.errors import OutputError
from learned_envs.figures import Returns
from learned_envs.fit.config import FitConfig, RoundsConfig, TrainingConfig
from learned_envs.registry import TASKS
from learned_envs.sb3 import AgentConfig, learn_outside
from learned_envs.terminal import key_figures


@pytest.fixture
def copy(weights, tmp_path):
    return shutil.copy(weights, tmp_path / "weights.safetensors")


def still(observation):
    return np.zeros((*observation.shape[:-1], 3), dtype=np.float32)


def test_readme_shows_the_figures_of_the_shipped_weights(benchmark):
    tables = benchmark("tables")
    text = tables.README.read_text()
    assert text == tables.fill(text, tables.shipped_cards()), "run python benchmarks/tables.py"


def test_an_agent_that_is_asked_for_other_things_is_that_of_its_robot(benchmark):
    transfer = benchmark("transfer")
    options = transfer.Options(checkpoint="Ant", steps=7)
    runs = {run.place: run for run in transfer.plan(options, "ant:AntTurning-v0")}
    expected = replace(AgentConfig.of("Ant"), steps=7)
    assert runs["inside"].config == expected
    assert runs["inside"].settings["agent"]["process_noise"] == expected.process_noise > 0
    assert "process_noise" not in runs["outside"].settings["agent"]


def test_tasks_without_figures_are_named(benchmark):
    tables = benchmark("tables")
    cards = {"Hopper": Entries(), "Swimmer": Entries(returns=Returns([1.0], [1.0]))}
    for table in (tables.transfer_table(cards), tables.fidelity_table(cards)):
        assert table == "No figures yet: Hopper, Swimmer."


def test_figures_go_from_agents_to_tables(benchmark, weights, copy, tmp_path, monkeypatch):
    transfer, fidelity, tables = map(benchmark, ("transfer", "fidelity", "tables"))
    out = tmp_path / "runs"
    options = transfer.Options(
        task=("Hopper",), steps=1, seeds=1, episodes=2, checkpoint=copy, out=out, workers=1
    )
    transfer.main(options)
    runs = transfer.plan(options, "Hopper")
    assert [(run.place, run.figures() is None) for run in runs] == [
        ("random", False),
        ("inside", False),
        ("outside", False),
    ]
    longer = transfer.plan(replace(options, steps=2), "Hopper")
    assert all(run.figures() is None for run in longer)
    dynamics, card = load_checkpoint(copy)
    dynamics.q_low -= 1
    save_checkpoint(tmp_path / "other.safetensors", dynamics, card)
    other = transfer.plan(replace(options, checkpoint=tmp_path / "other.safetensors"), "Hopper")
    assert [run.figures() is None for run in other] == [False, True, False]

    # All agents are there: nothing is trained again.
    monkeypatch.delattr(transfer, "train_inside")
    monkeypatch.delattr(transfer, "train_outside")
    transfer.main(replace(options, record=True))

    data = tmp_path / "data"
    collect("Hopper", 600, data, policies={"still": still}, workers=1)
    agent = out / "Hopper" / "outside-0"
    fidelity.main(
        fidelity.Fidelity(
            task=("Hopper",),
            checkpoint=str(copy),
            data=data,
            trajectories=3,
            agent=(agent,),
            episodes=2,
            record=True,
        )
    )
    card = read_card(copy)
    assert card.sha256 == read_card(weights).sha256
    assert card.returns.agent["steps"] == 1
    assert "agents trained inside return" in key_figures(card)
    row = tables.transfer_table({"Hopper": card}).splitlines()[-1]
    assert row.startswith("| Hopper | 1 | ")
    cells = tables.fidelity_table({"Hopper": card}).splitlines()[-1].split(" | ")
    assert len(cells) == 9
    assert " / " in cells[1]
    assert "%" in cells[-1]


def test_every_task_has_a_recipe(benchmark):
    assert {*benchmark("weights").RECIPES, *PENDULUMS} == TASKS.keys()


def test_weights_are_made_in_stages_and_small_enough(benchmark, tmp_path, monkeypatch, capsys):
    weights = benchmark("weights")
    training = TrainingConfig(updates=2, members=1)
    recipe = weights.Recipe(0, 600, training=training, options={"hidden": (64, 64)})
    monkeypatch.setitem(weights.RECIPES, "InvertedPendulum", recipe)
    monkeypatch.chdir(tmp_path)
    weights.main("InvertedPendulum", until="recorded")
    assert (tmp_path / "data" / "invertedpendulum").is_dir()
    assert not (tmp_path / "runs").exists()
    weights.main("InvertedPendulum")
    made = tmp_path / "runs" / "invertedpendulum" / "model.safetensors"
    assert "copy runs/invertedpendulum/model.safetensors" in capsys.readouterr().out
    monkeypatch.setattr(weights, "LARGEST", made.stat().st_size - 1)
    weights.main("InvertedPendulum")
    half = made.with_name("half.safetensors")
    assert "copy runs/invertedpendulum/half.safetensors" in capsys.readouterr().out
    assert read_card(half).held_out == read_card(made).held_out
    monkeypatch.setattr(weights, "LARGEST", 1)
    with pytest.raises(SystemExit, match="fewer members or units"):
        weights.main("InvertedPendulum")


def test_rounds_say_what_they_gave(benchmark, tmp_path, monkeypatch, capsys):
    rounds = benchmark("rounds")
    small = RoundsConfig(count=1, steps_per_round=1200, updates_per_round=20, agent_steps=4096)
    target = rounds.Target(0.0, small, {"hidden": (16, 16)})
    monkeypatch.setitem(rounds.TARGETS, "InvertedPendulum", target)
    options = rounds.Options(
        task=("InvertedPendulum",), variant=("fresh",), out=tmp_path, workers=1
    )
    rounds.main(options)
    said = capsys.readouterr().out
    rounds.main(options)
    assert capsys.readouterr().out == said
    fit = rounds.Fit("InvertedPendulum", "fresh", 0, tmp_path)
    assert [round.number for round in rounds.history(fit.figures())] == [1]
    assert rounds.row(fit, fit.figures())[2] == "1,200"


def test_a_fit_of_other_settings_is_not_gone_on_with(benchmark, tmp_path, pendulum_data):
    cells = benchmark("cells")
    training = TrainingConfig(updates=2, members=1)
    config = FitConfig(data=str(pendulum_data.path), options={"hidden": (8,)}, training=training)
    first = cells.fit_or_resume("InvertedPendulum", tmp_path / "fit", config)
    again = cells.fit_or_resume("InvertedPendulum", tmp_path / "fit", config)
    assert first.card["sha256"] == again.card["sha256"]
    more = replace(config, training=replace(training, updates=3))
    with pytest.raises(OutputError, match="other settings"):
        cells.fit_or_resume("InvertedPendulum", tmp_path / "fit", more)


def test_the_study_trains_and_compares_families(benchmark, tmp_path):
    study = benchmark("study")
    options = study.Options(
        system=("ChainPendulum-2",),
        family=("second_order", "hamiltonian"),
        seeds=1,
        windows=2000,
        updates=2,
        trajectories=5,
        out=tmp_path,
        workers=1,
        json=tmp_path / "figures.json",
        plots=tmp_path / "plots",
    )
    study.main(options)
    figures = json.loads((tmp_path / "figures.json").read_text())["paper"]["ChainPendulum-2"]
    assert figures.keys() == {"second_order", "hamiltonian", "hold"}
    # The first state, held, keeps its energy, to the rounding of recorded states.
    assert figures["hold"]["energy"] < 1e-4
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "study-paper-median.png",
        "study-paper-energy.png",
    }
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert len(finished) == 2
    study.main(options)
    assert finished == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}


def test_the_ablation_trains_variants_alike_and_times_them(benchmark, tmp_path):
    ablation, task = benchmark("ablation"), "InvertedPendulum"
    data = collect(task, 2000, tmp_path / "d", drivers={"ppo-0": learn_outside}, workers=1)
    options = ablation.Options(
        task=task,
        data=data.path,
        variant=("base", "width-256"),
        updates=30,
        out=tmp_path / "runs",
        workers=1,
        markdown=tmp_path / "table.md",
    )
    ablation.main(options)
    text = (tmp_path / "table.md").read_text()
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == [
        "| base",
        "| width-256",
        "| hold",
    ]
    wide = ablation.Trained("width-256", 0, options).figures()
    assert wide["updates"] == round(options.updates / wide["cost"])
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    ablation.main(options)
    assert finished == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}


def test_single_environments_are_timed_beside_the_real_one(benchmark, tmp_path):
    single = benchmark("single")
    options = single.Options(pieces=1, steps=10, envs=2)
    figures, _ = single.measured("InvertedPendulum", options, tmp_path)
    assert figures.keys() == {"real", *single.SETTINGS, "make_vec"}
    assert min(figures.values()) > 0


def test_cuts_of_both_checks_are_found_and_counted(benchmark):
    module = benchmark("disagreement")
    found = module.cuts("InvertedPendulum", lambda observation: np.ones((1, 1), np.float32), 2)
    # A pole that is pushed falls before members disagree.
    assert found == [(None, None)] * 2
    cuts = [(3, 3), (5, 5), (3, 4), (None, 7), (2, None), *found]
    assert module.counts(cuts) == [4, 2, 1, 1, 1]
