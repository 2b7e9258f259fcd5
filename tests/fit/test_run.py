import dataclasses
import json
from pathlib import Path

import pytest
import torch

from learned_envs.card import read_card
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.errors import (
    CheckpointError,
    DatasetError,
    DeviceError,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from learned_envs.evaluation.report import Report
from learned_envs.fit import FitConfig, TrainingConfig, fit
from learned_envs.fit import run as module
from learned_envs.fit.config import FitFile, RoundsConfig
from learned_envs.fit.observer import Observer
from learned_envs.fit.run import evaluate_run

TASK = "InvertedPendulum"


@pytest.fixture(scope="module")
def config(pendulum_data):
    training = TrainingConfig(
        members=2, updates=30, batch_size=32, horizons=(1, 2), check_every=10, held_out=0.2
    )
    return FitConfig(data=str(pendulum_data.path), options={"hidden": (16, 16)}, training=training)


@pytest.fixture(scope="module")
def fitted(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "run"
    fit(TASK, out, config, device="cpu")
    return out


def test_the_card_says_where_a_model_comes_from(fitted, config, pendulum_data):
    _, card = load_checkpoint(fitted)
    assert card["task"] == TASK
    assert card["real_steps"] == 4000
    assert card["data"]["sha256"] == pendulum_data.digest
    assert card["data"]["sources"] == {"random": 4000}
    assert card["disagreement_threshold"] > 0
    assert card["held_out"]["horizons"][0] == 1
    assert str(pendulum_data.path) not in json.dumps(card)
    for name in ("family", "config", "spec", "seed", "versions", "start"):
        assert name in card


def test_it_records_where_no_data_is_given(config, tmp_path):
    seen = []
    short = dataclasses.replace(config, data=None, steps=1500)
    observer = Observer(
        lambda done, total: seen.append((done, total)),
        lambda progress, plan: seen.append((progress.update, plan.updates)),
    )
    simulation = fit(TASK, tmp_path / "run", short, device="cpu", observer=observer)
    assert simulation.card["real_steps"] == 1500
    assert seen[:3] == [(0, 1500), (1500, 1500), (1, 30)]
    report, where = evaluate_run(tmp_path / "run")
    assert "held out" in where
    assert report == Report.from_dict(simulation.card["held_out"])


def test_two_fits_with_one_seed_are_equal(config, fitted, tmp_path):
    torch.manual_seed(123)
    fit(TASK, tmp_path / "again", config, device="cpu")
    assert read_card(tmp_path / "again").sha256 == read_card(fitted).sha256


def test_resuming_needs_nothing_but_the_folder(config, fitted, tmp_path, monkeypatch):
    def interrupt(progress, plan):
        if progress.update == 17:
            raise KeyboardInterrupt

    monkeypatch.chdir(Path(config.data).parent)
    relative = dataclasses.replace(config, data=Path(config.data).name)
    observer = Observer(trained=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(TASK, tmp_path / "run", relative, device="cpu", observer=observer)
    monkeypatch.chdir(tmp_path)
    fit(TASK, "run", resume=True, device="cpu")
    assert read_card("run").sha256 == read_card(fitted).sha256
    assert read_card("run").held_out == read_card(fitted).held_out


def test_a_resume_takes_no_other_settings(config, fitted):
    more = dataclasses.replace(config, training=dataclasses.replace(config.training, updates=31))
    with pytest.raises(ParameterError, match=r"updates=31 \(begun with 30\).*--from"):
        fit(TASK, fitted, more, resume=True, device="cpu")
    fit(TASK, fitted, config, resume=True, device="cpu")


def test_a_folder_with_nothing_but_a_half_written_file_counts_as_empty(config, tmp_path):
    (tmp_path / f"{module.CONFIG_FILE}.tmp").write_text('{"task": "Inv')
    fit(TASK, tmp_path, config, device="cpu")
    assert read_card(tmp_path).task == TASK
    assert not list(tmp_path.glob("*.tmp"))


def test_a_start_from_weights(config, fitted, tmp_path):
    anew = dataclasses.replace(config, options={}, start=str(fitted))
    more = dataclasses.replace(anew.training, updates=2, members=5)
    simulation = fit(TASK, tmp_path / "run", dataclasses.replace(anew, training=more), device="cpu")
    start = read_card(fitted)
    assert simulation.card["start"] == start.sha256
    assert simulation.card["config"] == start.config
    assert simulation.card["members"] == simulation.card["fit"]["training"]["members"] == 2


class TestEvaluateRun:
    def test_a_fit_is_measured_on_what_it_held_out(self, fitted):
        report, where = evaluate_run(fitted, trajectories=2000)
        assert "held out" in where
        assert report == Report.of(read_card(fitted).held_out)

    def test_weights_alone_have_their_card(self, fitted, config, tmp_path):
        alone = tmp_path / "weights.safetensors"
        alone.write_bytes((fitted / "model.safetensors").read_bytes())
        report, where = evaluate_run(alone)
        assert "card" in where
        assert report == Report.of(read_card(fitted).held_out)
        measured, where = evaluate_run(alone, config.data)
        assert "held out" in where
        assert measured == report

    def test_other_data_is_used_whole(self, fitted, tmp_path):
        from learned_envs.fit import collect

        other = collect(TASK, 300, tmp_path / "other", seed=5, workers=1)
        report, where = evaluate_run(fitted, other.path, trajectories=50)
        assert "all episodes" in where
        assert report.trajectories == 50

    def test_weights_that_were_never_evaluated(self, fitted, tmp_path):
        dynamics, _ = load_checkpoint(fitted)
        save_checkpoint(tmp_path / "w.safetensors", dynamics, {"task": TASK})
        with pytest.raises(CheckpointError, match="--data"):
            evaluate_run(tmp_path / "w.safetensors")


class TestBadInput:
    """Whatever is wrong is found before the folder is made: a second try finds none."""

    @pytest.fixture(autouse=True)
    def nothing_made(self, tmp_path):
        yield
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"family": "second_ordr"}, UnknownNameError, "Did you mean 'second_order'"),
            ({"options": {"widths": (8,)}}, ParameterError, "It has hidden"),
            ({"options": {"hidden": 8}}, ParameterError, "such as"),
            ({"options": {"integrator": "rk5"}}, UnknownNameError, "integrator"),
            ({"data": None, "learners": 1}, ParameterError, "learn_outside"),
            ({"data": "nowhere"}, DatasetError, "No dataset at nowhere"),
            ({"start": "nowhere.safetensors"}, CheckpointError, "no checkpoint"),
            ({"start": "Hoper"}, UnknownNameError, "Did you mean 'Hopper'"),
        ],
    )
    def test_settings(self, config, tmp_path, changes, error, message):
        with pytest.raises(error, match=message):
            fit(TASK, tmp_path / "run", dataclasses.replace(config, **changes), device="cpu")

    def test_what_is_no_setting_at_all(self, config, tmp_path, fitted):
        for words in (
            (5, tmp_path / "run", config),
            (TASK, 5, config),
            (TASK, tmp_path / "run", 5),
        ):
            with pytest.raises((ParameterError, UnknownNameError)):
                fit(*words)
        for wrong in ({"trajectories": 0}, {"trajectories": 1.5}):
            with pytest.raises(ParameterError, match="trajectories"):
                evaluate_run(fitted, **wrong)

    def test_a_start_of_another_family_or_task(self, config, fitted, tmp_path):
        start = dataclasses.replace(config, options={}, start=str(fitted))
        with pytest.raises(ParameterError, match="Name that family"):
            other = dataclasses.replace(start, family="residual_mlp")
            fit(TASK, tmp_path / "run", other, device="cpu")
        with pytest.raises(CheckpointError, match="expected Hopper"):
            fit("Hopper", tmp_path / "run", start, device="cpu")

    def test_a_dataset_of_another_task(self, config, tmp_path):
        with pytest.raises(DatasetError, match="expected one of Hopper"):
            fit("Hopper", tmp_path / "run", config, device="cpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_gpu(self, config, tmp_path):
        with pytest.raises(DeviceError, match="device='cpu'"):
            fit(TASK, tmp_path / "run", config, device="cuda")

    def test_nothing_to_resume(self, tmp_path):
        with pytest.raises(CheckpointError, match="nothing to resume"):
            fit(TASK, tmp_path / "run", resume=True, device="cpu")


class TestSettings:
    """Those of fits that other versions began, in `fit.json` and in cards."""

    OLDER = '{"family": "lagrangian", "training": {"horizons": [2, 4]}, "rounds": {"rounds": 7}}'

    def test_the_number_of_rounds_had_another_name(self):
        config = FitConfig.from_dict(json.loads(self.OLDER))
        assert config.rounds == RoundsConfig(count=7)
        assert (config.family, config.training.horizons) == ("lagrangian", (2, 4))
        stored = FitFile.from_json(f'{{"task": "Hopper", "config": {self.OLDER}}}'.encode())
        assert stored == FitFile("Hopper", config)

    def test_there_were_no_rounds(self):
        assert FitConfig.from_dict({"training": {}}).rounds.count == 0

    def test_what_is_written_is_read(self, config):
        more = dataclasses.replace(config, rounds=RoundsConfig(count=3), start="shipped")
        # Options are read by their family, which makes tuples of lists.
        more = dataclasses.replace(more, options={"hidden": [16, 16], "integrator": "rk4"})
        assert FitFile.from_json(FitFile(TASK, more).to_json()) == FitFile(TASK, more)
        assert FitConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(more)))) == more

    def test_a_wrong_type_is_named(self):
        with pytest.raises(ParameterError, match=r"\$\.rounds\.count"):
            FitConfig.from_dict({"rounds": {"rounds": "many"}})


def test_a_folder_that_exists_is_left_as_it_was(config, fitted, tmp_path):
    before = {path: path.read_bytes() for path in fitted.iterdir() if path.is_file()}
    with pytest.raises(OutputError, match="--resume"):
        fit(TASK, fitted, config, device="cpu")
    assert {path: path.read_bytes() for path in before} == before
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "run"):
        with pytest.raises(OutputError):
            fit(TASK, out, config, device="cpu")
    assert file.read_text() == "mine"


def test_settings_that_were_damaged(fitted, tmp_path):
    for text in ("", "{}", '{"task": "InvertedPendulum", "config": {"training": 3}}'):
        (tmp_path / module.CONFIG_FILE).write_text(text)
        with pytest.raises(CheckpointError, match="not the settings"):
            fit(TASK, tmp_path, resume=True, device="cpu")
    for changes, named in [
        ({"steps": "many"}, r"\$\.config\.steps"),
        ({"training": {"horizons": [1, 2.5]}}, r"\$\.config\.training\.horizons\[1\]"),
        (
            {"training": {"updates": 3, "wings": 2}, "tail": 1},
            r"config\.training\.wings, config\.tail",
        ),
        ({"training": {"updates": 0}}, r"\$\.config\.training\.updates"),
        ({"options": 5}, r"\$\.config\.options"),
        ({"training": {"learning_rate": 1e39}}, "learning_rate"),
        ({"options": {"x": [[[[]]]] * 3}, "learners": -1}, "learners"),
    ]:
        text = json.dumps({"task": TASK, "config": changes})
        (tmp_path / module.CONFIG_FILE).write_text(text)
        with pytest.raises(CheckpointError, match=named):
            fit(TASK, tmp_path, resume=True, device="cpu")
    written = (fitted / module.CONFIG_FILE).read_text()
    (tmp_path / module.CONFIG_FILE).write_text(written.replace('"updates": 30', '"updates": 38'))
    with pytest.raises(CheckpointError, match="checksum"):
        fit(TASK, tmp_path, resume=True, device="cpu")
    (tmp_path / module.CONFIG_FILE).write_text(written)
    with pytest.raises(CheckpointError, match="expected one of Hopper"):
        fit("Hopper", tmp_path, resume=True, device="cpu")
