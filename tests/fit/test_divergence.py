"""A training that failed says so, and a model that is worth nothing too."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from learned_envs.card import read_card
from learned_envs.checkpoint import non_finite, save_checkpoint
from learned_envs.cli import main
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.errors import CheckpointError, DatasetError, TrainingError
from learned_envs.figures import Curve, RolloutErrors
from learned_envs.fit import TrainingConfig
from learned_envs.fit.folder import FILE_NAME, PROGRESS_FILE
from learned_envs.fit.round import Round, read_history, write_history
from learned_envs.fit.training import Training

SMALL = TrainingConfig(members=2, updates=40, batch_size=16, horizons=(1,), check_every=10)


@pytest.fixture(scope="module")
def split(pendulum_data):
    return pendulum_data.load().split(0.2, seed=0)


@pytest.fixture
def begin(pendulum_data, split, tmp_path):
    """Begin a training of a small model, on the data or on others."""

    def begin(parts=split, **changes):
        torch.manual_seed(0)
        spec = pendulum_data.spec
        model = Ensemble(SecondOrder(hidden=(8, 8)), spec, 2)
        config = dataclasses.replace(SMALL, **changes)
        data, held_out = (Trajectories.of(part, spec) for part in parts)
        card = {"task": "InvertedPendulum"}
        return Training(model, data, held_out, config, tmp_path, card, True)

    return begin


def advance(training):
    while not training.finished:
        training.advance()
        if training.update % training.config.check_every == 0:
            training.check()


def spoil(training, member, value=math.nan):
    with torch.no_grad():
        training.dynamics.model.network.layers[-1].weight[member] = value


class TestTheFirstNonFiniteNumberStopsIt:
    @pytest.mark.parametrize("rate", [1e8, 1e30])
    def test_with_what_to_do_and_finite_weights(self, begin, rate):
        training = begin(learning_rate=rate)
        with pytest.raises(TrainingError, match="Lower --learning-rate") as caught:
            advance(training)
        assert "outliers in the data" in str(caught.value)
        assert training.torn

    @pytest.mark.parametrize("member", [0, 1])
    def test_of_one_member_of_several(self, begin, member):
        training = begin()
        training.advance()
        spoil(training, member)
        with pytest.raises(TrainingError, match="the loss is nan after 1 updates"):
            training.advance()
        assert training.update == 1

    def test_of_a_weight_before_anything_is_saved(self, begin, tmp_path):
        training = begin()
        training.save()
        before = (tmp_path / PROGRESS_FILE).read_bytes()
        spoil(training, 1, math.inf)
        for write in (training.check, training.save):
            with pytest.raises(TrainingError, match=r"weight model\.network\.layers\.2\.weight"):
                write()
        assert (tmp_path / PROGRESS_FILE).read_bytes() == before
        assert not (tmp_path / FILE_NAME).exists()

    def test_of_the_held_out_score_alone(self, begin, monkeypatch):
        training = begin()
        step = training.dynamics.step

        def overflow(state, action):
            ahead = step(state, action)
            ahead.state.v.fill_(math.inf)
            return ahead

        monkeypatch.setattr(training.dynamics, "step", overflow)
        with pytest.raises(TrainingError, match="the score on held-out episodes is inf"):
            training.check()

    def test_and_keeps_the_best_weights_before(self, begin, tmp_path):
        training = begin()
        for _ in range(10):
            training.advance()
        training.check()
        spoil(training, 0)
        with pytest.raises(TrainingError, match=r"weights before that are in .*model\.safetensors"):
            training.advance()
        assert read_card(tmp_path).training.update == 10

    def test_on_the_command_line(self, pendulum_data, tmp_path, capsys):
        words = ["fit", "InvertedPendulum", "--data", str(pendulum_data.path), "--members", "1"]
        words += ["--updates", "200", "--learning-rate", "1e8", "--device", "cpu"]
        assert main([*words, "--out", str(tmp_path / "run")]) == 1
        error = capsys.readouterr().err
        assert "The training diverged" in error
        assert "Traceback" not in error
        assert not (tmp_path / "run" / FILE_NAME).exists()


class TestData:
    @pytest.mark.parametrize("part", [0, 1])
    def test_too_large_for_float32_is_refused(self, begin, split, part):
        parts = [*split]
        velocity = parts[part].qvel.copy()
        velocity[3, 1] = 1e39
        parts[part] = dataclasses.replace(parts[part], qvel=velocity)
        with pytest.raises(DatasetError, match="outliers"):
            begin(parts)

    def test_in_which_nothing_moves_is_refused(self, begin, split):
        still = [dataclasses.replace(p, qpos=0 * p.qpos, qvel=np.zeros_like(p.qvel)) for p in split]
        with pytest.raises(DatasetError, match="Nothing moves"):
            begin(still)

    def test_constant_columns_are_trained_on(self, begin, split):
        constant = []
        for part in split:
            position, velocity = part.qpos.copy(), part.qvel.copy()
            position[:, 0], velocity[:, 0] = 0.5, 0.0
            constant.append(dataclasses.replace(part, qpos=position, qvel=velocity))
        training = begin(constant)
        advance(training)
        assert math.isfinite(training.score)


class TestWeights:
    @pytest.fixture
    def model(self, pendulum_data):
        return Ensemble(SecondOrder(hidden=(8, 8)), pendulum_data.spec, 3)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_that_are_not_finite_are_never_saved(self, model, tmp_path, value):
        with torch.no_grad():
            model.model.network.layers[1].bias[2, 0, 3] = value
        with pytest.raises(CheckpointError, match=r"model\.network\.layers\.1\.bias"):
            save_checkpoint(tmp_path / "w", model, {"task": "InvertedPendulum"})
        assert not list(tmp_path.iterdir())

    def test_bounds_may_be_infinite_towards_their_own_side_alone(self, model):
        assert non_finite(model.state_dict()) == []
        for bad in (-math.inf, math.nan):
            model.q_high[0] = bad
            assert non_finite(model.state_dict()) == ["q_high"]


def errors(model, hold=(1.0, 1.0), means=(1.0, 1.0)):
    curves = (Curve("hold", hold, hold), Curve("model", model, means))
    return RolloutErrors("x", (1, 10), 5, curves)


class TestNoBetterThanHold:
    @pytest.mark.parametrize(
        ("model", "better"),
        [
            ((0.1, 0.1), True),
            ((0.5, 1.5), True),
            ((1.0, 1.0), False),
            ((0.95, 0.95), False),
            ((1.5, 0.1), False),
            ((0.5, 3.0), False),
            ((math.nan, 0.1), False),
        ],
    )
    def test_is_judged_by_the_shortest_horizon_and_by_all(self, model, better):
        assert errors(model).beats_hold is better

    def test_is_judged_by_means_where_holding_is_exact_for_most(self):
        still = Curve("hold", (0.0,), (0.5,))
        for mean, better in ((0.1, True), (0.6, False)):
            figures = RolloutErrors("x", (1,), 5, (still, Curve("model", (1e-9,), (mean,))))
            assert figures.beats_hold is better

    def test_is_said_by_the_table_the_card_and_the_commands(self, pendulum_data, tmp_path, capsys):
        out = str(tmp_path / "run")
        words = ["--updates", "40", "--learning-rate", "1000", "--horizons", "1", "--members", "1"]
        words += ["--batch-size", "16", "--check-every", "10", "--option", "hidden=8,8"]
        data = ["--data", str(pendulum_data.path), "--device", "cpu"]
        assert main(["fit", "InvertedPendulum", "--out", out, *data, *words]) == 0
        assert read_card(out).beats_hold is False
        for command in (None, ["evaluate", out], ["info", out]):
            if command:
                assert main(command) == 0
            printed = capsys.readouterr()
            assert "no better than holding" in " ".join(printed.out.split())
            assert "warning: This model is no better" in printed.err


def test_figures_of_rounds_that_are_not_finite_are_not_written(tmp_path):
    good = Round(1, 10, 0.1, 1.0, 2.0, 1, 0.5)
    write_history(tmp_path, [good])
    with pytest.raises(TrainingError, match="Round 2 gave inside=nan"):
        write_history(tmp_path, [good, dataclasses.replace(good, number=2, inside=math.nan)])
    assert read_history(tmp_path) == [good]
