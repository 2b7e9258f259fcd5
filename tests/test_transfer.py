"""What the demonstration, the rounds and the benchmark rely on when an agent moves outside."""

import json
from dataclasses import replace

import gymnasium as gym
import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console

from learned_envs import Simulation
from learned_envs.card import Entries
from learned_envs.errors import CheckpointError, OutputError, ParameterError, RenderError
from learned_envs.evaluation.long_run import coordinates, run_outside
from learned_envs.figures import Returns
from learned_envs.sb3 import Agent, AgentConfig, LearningCurve
from learned_envs.state import State
from learned_envs.transfer import (
    Comparison,
    LongRun,
    Transfer,
    demo,
    episode_returns,
    long_run,
    random_policy,
    run_demo,
    summary,
    train_inside,
    train_outside,
)

SMALL = AgentConfig(n_envs=4, n_steps=16, batch_size=32, n_epochs=1)


def still(observation: np.ndarray) -> np.ndarray:
    return np.zeros((*observation.shape[:-1], 3), dtype=np.float32)


def test_returns_outside_are_those_of_episodes_run_one_by_one():
    returns = []
    for seed in (5, 6, 7):
        env = gym.make("Hopper-v5")
        observation, _ = env.reset(seed=seed)
        total, ended = 0.0, False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(still(observation))
            total, ended = total + reward, terminated or truncated
        returns.append(total)
    assert episode_returns(still, "Hopper-v5", 3, seed=5) == pytest.approx(returns)


def test_returns_inside_know_no_disagreement(weights):
    plain = {"checkpoint": weights}
    strict = {**plain, "max_disagreement": 1e-9, "disagreement_penalty": 10.0}
    returns = episode_returns(still, "LearnedSim-Hopper-v0", 8, 0, plain)
    assert returns.shape == (8,)
    # An untrained hopper stands for some steps, each of which pays about 1.
    assert (returns > 2).all()
    assert np.array_equal(returns, episode_returns(still, "LearnedSim-Hopper-v0", 8, 0, strict))


def test_episodes_inside_last_to_their_limit(weights):
    arguments = {
        "checkpoint": weights,
        "terminate_when_unhealthy": False,
        "healthy_z_range": (-np.inf, np.inf),
        "healthy_angle_range": (-np.inf, np.inf),
        "forward_reward_weight": 0.0,
        "max_episode_steps": 30,
    }
    # Nothing but being there is paid, 1 a step.
    assert (episode_returns(still, "LearnedSim-Hopper-v0", 4, 0, arguments) == 30).all()


def test_a_random_agent_acts_differently_in_every_episode():
    space = gym.spaces.Box(np.float32([-2, 0]), np.float32([-1, 3]))
    actions = random_policy(space, 0)(np.zeros((200, 5)))
    assert actions.shape == (200, 2)
    assert all(space.contains(action) for action in actions)
    assert len(np.unique(actions[:, 0])) > 190


class TestComparison:
    returns = Comparison(
        agent={"algorithm": "PPO", "steps": 5000},
        episodes=20,
        seeds=[0, 1],
        inside=[900.0, 1100.0],
        outside=[700.0, 1000.0],
        trained_outside=[1000.0, 1200.0],
        random=100.0,
        minutes={"inside": 1.0, "outside": 2.0},
    )

    def test_the_score_goes_from_random_to_trained_outside(self):
        assert self.returns.score == pytest.approx((850 - 100) / (1100 - 100))
        assert self.returns.gap == pytest.approx((1000 - 850) / 850)
        assert replace(self.returns, outside=[100.0, 100.0]).score == 0
        assert replace(self.returns, outside=self.returns.trained_outside).score == 1

    def test_there_is_no_score_where_training_outside_gains_nothing(self):
        hopeless = replace(self.returns, trained_outside=[100.0, 90.0])
        assert hopeless.score is None
        assert hopeless.cells()[-2] == "none"
        json.dumps(hopeless.to_dict(), allow_nan=False)

    def test_a_card_keeps_it(self):
        stored = msgspec.json.decode(json.dumps(self.returns.to_dict()), type=Returns)
        assert Comparison.of(Entries(returns=stored)) == self.returns

    def test_older_cards_hold_none(self):
        assert Comparison.of(Entries()) is None
        assert Comparison.of(Entries(returns=Returns([1.0], [1.0], [0]))) is None

    def test_every_seed_is_shown(self):
        assert "700 / 1,000 (850)" in self.returns.cells()


class TestLongRun:
    def test_states_are_compared_without_travel(self, weights):
        recording = run_outside(still, "Hopper", 2, 0)
        states = State(torch.tensor(recording.qpos), torch.tensor(recording.qvel))
        compared = coordinates(Simulation.load(weights), states, states).numpy()
        q = recording.qpos[:, 1:] - recording.qpos[0, 1:]
        assert np.array_equal(compared, np.concatenate([q, recording.qvel], 1))

    def test_episodes_inside_begin_where_those_outside_do(self, weights):
        run = long_run(still, "Hopper", Simulation.load(weights), episodes=3)
        # Without x, 5 positions and 6 velocities.
        assert run.mean.shape == run.spread.shape == (11,)
        assert np.isfinite(run.mean).all()
        # A real Hopper that does nothing falls.
        assert run.fell_outside == 1.0
        assert 0 <= run.fell_inside + run.diverged <= 1 + 1e-6

    def test_the_summary_names_the_worst(self):
        runs = [
            LongRun(np.array([-0.5, 0.1]), np.array([1.1, 0.25]), 0.5, 0.0, 0.0),
            LongRun(np.array([0.2, 0.2]), np.array([2.0, 1.0]), 1.0, 0.0, 0.5),
        ]
        assert summary(runs) == {
            "mean_median": 0.2,
            "mean_largest": 0.5,
            "spread_median": 1.05,
            "spread_farthest": 0.25,
            "fell_inside": 0.75,
            "fell_outside": 0.0,
            "diverged": 0.25,
        }


def test_training_reports_its_curve(weights):
    seen: list[int] = []
    curve = LearningCurve(seen.append)
    agent = train_inside("Hopper", 1000, 0, weights, SMALL, callback=curve)
    # 16 rounds of 64 steps are the first to reach 1000.
    assert seen == list(range(64, 1025, 64))
    assert [steps for steps, _ in curve.points] == seen[-len(curve.points) :]
    same = train_inside("Hopper", 1000, 0, weights, SMALL)
    observation = np.random.default_rng(0).normal(size=(5, 11))
    assert np.array_equal(agent(observation), same(observation))


def test_the_same_agent_trains_outside(weights):
    agent = train_outside("Hopper", 64, 0, SMALL)
    arguments = {"checkpoint": weights}
    assert episode_returns(agent, "LearnedSim-Hopper-v0", 2, 0, arguments).shape == (2,)


def test_the_table_holds_every_figure():
    transfer = Transfer(np.array([1000.0, 3000.0]), np.array([500.0, 1500.0]), 20_000.0, 8_000.0)
    console = Console(width=120)
    with console.capture() as text:
        console.print(transfer.table())
    for figure in ("2,000", "1,000", "0.50", "20,000", "8,000", "2.5"):
        assert figure in text.get()


def test_the_demonstration_leaves_a_plot_a_film_and_an_agent(weights, tmp_path):
    seen: list[int] = []
    result = run_demo(tmp_path / "demo", 4096, 0, weights, seen.append)
    assert seen == [4096]
    assert result.plot.read_bytes().startswith(b"\x89PNG")
    if result.gif is None:
        assert "GIF" in result.notes[0]
    else:
        assert result.gif.read_bytes().startswith(b"GIF8")
        assert result.notes == []
    assert Agent.load(result.agent)(np.zeros(11)).shape == (3,)


def test_a_machine_without_gl_gets_a_note(weights, tmp_path, monkeypatch):
    def blind(*_: object) -> None:
        raise RenderError("There is no display.")

    monkeypatch.setattr(demo, "film_transfer", blind)
    result = run_demo(tmp_path, 1, 0, weights)
    assert result.gif is None
    assert result.notes == ["No GIF: There is no display."]
    assert result.plot.stat().st_size > 0


def test_a_place_that_cannot_be_written_to_is_named_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        run_demo(tmp_path / "file", 10**9, 0)


def test_a_demonstration_that_cannot_begin_leaves_no_folder(tmp_path):
    with pytest.raises(ParameterError, match="steps"):
        run_demo(tmp_path / "demo", -1)
    with pytest.raises(CheckpointError):
        run_demo(tmp_path / "demo", 100, checkpoint=tmp_path / "no.safetensors")
    assert not (tmp_path / "demo").exists()
