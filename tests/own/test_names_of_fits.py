"""Files of robots and environments with arguments are fitted by their names, and found by them."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from small import SMALL

from learned_envs import registry
from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.errors import CheckpointError, ParameterError, WeightsNotShippedError

PENDULUM = """<mujoco><option timestep=".01"/><worldbody>
<body name="pole" pos="0 0 1"><joint name="hinge" axis="0 1 0" damping=".01"/>
<geom type="capsule" fromto="0 0 0 0 0 -.3" size=".04"/></body></worldbody>
<actuator><motor joint="hinge" gear=".2" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>
"""


def test_the_file_of_a_robot_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("robot.xml").write_text(PENDULUM)
    assert main(["fit", "robot.xml", "--out", "runs/bare", *SMALL]) == 0
    card = read_card("runs/bare")
    assert card.task.endswith(f"{tmp_path}/robot.xml")
    # Neither the file nor where it was is needed.
    Path("robot.xml").unlink()
    env: Any = gym.make("LearnedSim-v0", checkpoint="runs/bare")
    env.reset(seed=0)
    seen, reward, terminated, _, _ = env.step(np.ones(1, np.float32))
    state = env.unwrapped.state
    np.testing.assert_allclose(seen, [*state.q, *state.v], rtol=0, atol=1e-6)
    assert (reward, terminated) == (0.0, False)


def test_arguments_are_part_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["fit", "Swimmer-v5", "--env-kwargs", "frame_skip=2", "--env-kwargs"]
    assert main([*words, "ctrl_cost_weight=0.5", *SMALL]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    card = read_card(run)
    task = "Swimmer-v5?ctrl_cost_weight=0.5&frame_skip=2"
    assert card.task == task
    assert card.spec.frame_skip == 2
    assert registry.folder_name(task) == run.name
    # The task has an id, too, which the arguments are part of.
    env: Any = gym.make(registry.env_id(task), checkpoint=run)
    assert env.spec.max_episode_steps == 1000
    env.reset(seed=0)
    action = np.array([0.5, -1.0], np.float32)
    *_, info = env.step(action)
    assert info["reward_ctrl"] == pytest.approx(-0.5 * 1.25, abs=1e-6)
    for other in ("Swimmer-v5", "Swimmer-v5?frame_skip=2", "Swimmer"):
        registry.task_of(other)
        with pytest.raises(CheckpointError, match=r"holds weights for Swimmer-v5\?ctrl"):
            gym.make(registry.env_id(other), checkpoint=run)
    with pytest.raises(WeightsNotShippedError, match="learned-envs fit"):
        gym.make(registry.env_id(task))


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("rules", ["traced", "hosted"])
def test_any_checkpoint_is_none(make: Any, rules: str) -> None:
    with pytest.raises(ParameterError, match="Got no checkpoint"):
        make("LearnedSim-v0", rules=rules)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("no_such_module:Robot-v0", "needs the module 'no_such_module', which is not installed"),
        ("NoSuchRobot-v0", "There is no environment 'NoSuchRobot-v0'"),
        ("no/such/robot.xml", "There is no file no/such/robot.xml"),
        ("CartPole-v1", "CartPole"),
        ("Hopper --env-kwargs frame_skip=2", "Name the environment instead: Hopper-v5"),
        ("Hopper-v5 --env-kwargs frame_skip", "expected NAME=VALUE"),
        ("Hopper-v5 --env-kwargs frames=2", "frames"),
        ("Hopper-v5 --env-kwargs xml_file=nowhere.xml", "nowhere.xml"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["fit", *words.split(), "--out", str(out), *SMALL]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("learned-envs: ")
    assert told in line
    # A second try finds no folder in its way.
    assert not out.exists()
