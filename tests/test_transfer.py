"""What the demonstration, the rounds and the benchmark rely on when an agent moves outside."""

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

from learned_envs.errors import OutputError, RenderError
from learned_envs.sb3 import Agent, AgentConfig
from learned_envs.transfer import (
    LearningCurve,
    Transfer,
    demo,
    episode_returns,
    run_demo,
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
