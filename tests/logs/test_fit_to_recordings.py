import re

import gymnasium as gym
import numpy as np
import pytest

import learned_envs  # noqa: F401
from learned_envs.cli import main
from learned_envs.errors import LogError
from learned_envs.logs.estimator import StateEstimator

FEW = ["--members", "2", "--updates", "60"]
SMALL = [*FEW, "--option", "hidden=32,32", "--no-report"]

MAP = """
name = "arm"
[time]
column = "time"
[[joints]]
name = "shoulder"
position = "q_shoulder"
[[joints]]
name = "elbow"
position = "q_elbow"
[[actions]]
column = "cmd_shoulder"
joint = "shoulder"
[[actions]]
column = "cmd_elbow"
joint = "elbow"
"""

RULES = """
import numpy as np


def observation(qpos, qvel):
    return np.concatenate([np.cos(qpos), np.sin(qpos), qvel])


def reward(qpos, qvel, action, next_qpos, next_qvel):
    return -np.cos(next_qpos[0]) - 0.01 * np.square(action).sum()


def terminated(qpos, qvel):
    return np.abs(qvel).max() > 1000.0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    (folder / "arm.toml").write_text(MAP)
    (folder / "rules.py").write_text(RULES)
    return folder


@pytest.fixture(scope="module")
def run(place, arm_csv):
    out = place / "run"
    words = ["fit", str(arm_csv), "--map", str(place / "arm.toml"), "--out", str(out)]
    assert main([*words, "--rules", str(place / "rules.py"), *SMALL]) == 0
    return out


def test_a_fit_to_recordings_is_an_environment_with_its_own_rules(run):
    env = gym.make("LearnedSim-v0", checkpoint=str(run))
    observation, _ = env.reset(seed=0)
    assert observation.shape == (6,) and env.action_space.shape == (2,)
    q = np.arctan2(observation[2:4], observation[:2])
    action = np.array([1.0, -0.5], dtype=np.float32)
    following, reward, terminated, truncated, _ = env.step(action)
    expected = -following[0] - 0.01 * np.square(action).sum()
    assert reward == pytest.approx(expected, abs=1e-5) and not (terminated or truncated)
    assert np.isfinite(q).all()


def test_it_is_there_without_what_it_was_made_of(run, tmp_path):
    alone = tmp_path / "model.safetensors"
    alone.write_bytes((run / "model.safetensors").read_bytes())
    envs = gym.make_vec("LearnedSim-v0", num_envs=3, checkpoint=str(alone))
    observations, _ = envs.reset(seed=0)
    assert observations.shape == (3, 6)


def test_states_are_estimated_as_measurements_come(run, arm_logs):
    estimator, log = StateEstimator.of(run), arm_logs[0]
    true = log.clean["v"]
    noise = np.random.default_rng(0).normal(0, 1e-3, true.shape)

    def followed(measured):
        states = [estimator.start(measured[0])]
        for action, place in zip(log.clean["u"], measured[1:], strict=False):
            states.append(estimator.step(states[-1], action, place))
        return np.stack([state.v[0].numpy() for state in states])

    measured = log.clean["q"][:100] + noise[:100]
    found = followed(measured)
    differences = np.diff(measured, axis=0) / 0.02
    off, plain = (found - true[:100])[6:], (differences - true[1:100])[5:]
    assert np.square(off).mean() < np.square(plain).mean()
    # Sensors of hinges may jump by whole turns.
    wrapped = (measured + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(followed(wrapped) - found).max() < 1e-2 * np.abs(found).max()
    with pytest.raises(LogError, match="no fit to recordings"):
        StateEstimator.of(run.parent)


def test_the_same_command_goes_on(run, place, arm_csv, capsys):
    words = ["fit", str(arm_csv), "--map", str(place / "arm.toml"), "--out", str(run), "--resume"]
    assert main([*words, "--rules", str(place / "rules.py"), *SMALL]) == 0
    # Other recordings are not taken for these.
    assert main(["fit", str(arm_csv / "0.csv"), *words[2:], *SMALL]) == 1
    assert "other recordings" in capsys.readouterr().err


def test_folders_of_others_are_not_touched(place, arm_csv, tmp_path, capsys):
    kept = tmp_path / "run" / "logs" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    words = ["fit", str(arm_csv), "--map", str(place / "arm.toml"), "--out", str(tmp_path / "run")]
    assert main([*words, *SMALL]) == 1
    assert "mine.txt" in capsys.readouterr().err and kept.read_text() == "mine"


def test_a_look_at_recordings_says_what_they_tell_of_each_joint(place, arm_csv, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    words = [str(arm_csv), "--map", str(place / "arm.toml"), "--pictures", str(pictures)]
    assert main(["logs", "check", *words]) == 0
    out = capsys.readouterr().out
    assert "Channels" in out and "Joints" in out and "A fit can learn from this" in out
    ((visited, predicted),) = re.findall(r" shoulder .*?(\d+)%.* Hz .*?(\d+)%", out)
    assert 50 < int(visited) <= 100 and 10 < int(predicted) <= 100
    assert len([*pictures.glob("*.png")]) == 4


def test_recordings_that_a_fit_would_be_wrong_of(place, arm_csv, tmp_path, capsys):
    text = (arm_csv / "0.csv").read_text().splitlines()
    for index in range(2):
        rows = [",".join([*row.split(",")[:-1], "0.0"]) for row in text[1:]]
        (tmp_path / f"{index}.csv").write_text("\n".join([text[0], *rows]))
    words = [str(tmp_path), "--map", str(place / "arm.toml")]
    assert main(["logs", "check", *words]) == 1
    assert "never moves" in capsys.readouterr().out
    assert main(["fit", *words, "--out", str(tmp_path / "run"), *SMALL]) == 1
    assert "would be wrong" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_friction_that_an_mjcf_lacks_is_found(place, robot_logs, log_files, tmp_path, capsys):
    for seed in range(8):
        log_files.write_csv(robot_logs.recorded("arm", seed, rows=140), tmp_path / f"{seed}")
    model = place / "arm.xml"
    model.write_text(robot_logs.ARM.format(friction=""))
    words = ["fit", str(tmp_path), "--map", str(place / "arm.toml"), "--model", str(model)]
    words += ["--simulated", "5000"]
    # No family is named, so that all are tried.
    assert main([*words, "--out", str(place / "with-model"), *FEW]) == 0
    out = capsys.readouterr().out
    assert "elbow friction" in out and "identified" in out and "rigid_body_residual" in out
    import mujoco

    found = mujoco.MjModel.from_xml_path(str(place / "with-model" / "logs" / "robot.xml"))
    assert found.dof_frictionloss == pytest.approx([0.3, 0.3], abs=0.03)
    assert found.dof_damping == pytest.approx([0.05, 0.05], abs=0.01)
