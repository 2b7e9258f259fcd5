"""Agents act only in the spaces that they learned in, and what fails leaves nothing behind."""

from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO

from learned_envs.cli import main
from learned_envs.collect.collection import collect
from learned_envs.data.dataset import Dataset
from learned_envs.errors import OutputError, ParameterError
from learned_envs.evaluation.returns import returns_outside
from learned_envs.sb3 import Agent
from learned_envs.transfer import episode_returns, score

TASK = "InvertedPendulum"
TASK_ID = f"LearnedSim-{TASK}-v0"


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zips of agents that have not learned: of the task, of another, and of rescaled actions."""
    folder = tmp_path_factory.mktemp("agents")
    make = partial(gym.make, "InvertedPendulum-v5")
    environments = {
        "one": make,
        "two": make,
        "walker": partial(gym.make, "Walker2d-v5"),
        "rescaled": lambda: gym.wrappers.RescaleAction(make(), np.float32(-1), np.float32(1)),
    }
    for name, environment in environments.items():
        PPO("MlpPolicy", environment(), n_steps=8, batch_size=8, device="cpu").save(folder / name)
    (folder / "text.zip").write_text("no agent")
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("walker.zip", "(17,), those here (4,)"),
        ("rescaled.zip", "[-1, 1], those here in [-3, 3]"),
        ("one.zip --agent walker.zip", "walker.zip"),
        ("one.zip walker.zip", "walker.zip"),
        ("text.zip", "text.zip is not an agent"),
        ("missing.zip", "no agent at missing.zip"),
        (".", "no agent at ."),
    ],
)
def test_a_collection_that_an_agent_cannot_act_in_leaves_no_folder(
    words, message, agents, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(agents)
    out = tmp_path / "data"
    command = f"collect {TASK} --out {out} --steps 200 --learners 0 --agent {words}"
    assert main(command.split()) == 1
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.count("learned-envs: ") == 1
    assert "Traceback" not in complaint
    assert not out.exists()


def test_agents_are_recorded_whether_they_are_named_at_once_or_one_by_one(
    agents, tmp_path, monkeypatch
):
    monkeypatch.chdir(agents)
    taken = []
    for words in ("--agent one.zip two.zip", "--agent one.zip --agent two.zip"):
        out = tmp_path / str(len(taken))
        command = f"collect {TASK} --out {out} --steps 90 --learners 0 {words}"
        assert main(command.split()) == 0
        taken.append(Dataset.open(out).actors)
    assert taken[0] == taken[1]
    assert sorted(name.split("-")[1] for name in taken[0] if "-" in name) == ["one", "two"]


def test_a_collection_does_not_go_on_with_another_agent_of_the_same_name(
    agents, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    command = f"collect {TASK} --out data --steps 60 --learners 0 --agent agent.zip".split()
    for name, code in (("one", 0), ("two", 1)):
        Path("agent.zip").write_bytes((agents / f"{name}.zip").read_bytes())
        assert main(command) == code
    assert "other episodes" in capsys.readouterr().err


def test_a_policy_that_fails_before_it_recorded_leaves_no_folder(tmp_path):
    def fail(observation):
        raise OutputError("no network")

    for folder in ("data", "deeper/data"):
        with pytest.raises(OutputError, match="no network"):
            collect(TASK, 100, tmp_path / folder, policies={"f": fail}, random=False, workers=1)
        assert not (tmp_path / folder).exists()


def test_scores_too_are_of_an_agent_s_own_spaces(agents, checkpoint):
    agent = Agent.load(agents / "rescaled.zip")
    weights = checkpoint(TASK)
    asked = [
        lambda: collect(TASK, 100, agents / "data", policies={"a": agent}),
        lambda: score(agent, TASK, checkpoint=weights),
        lambda: returns_outside(agent, "InvertedPendulum-v5", 2),
        lambda: episode_returns(agent, TASK_ID, 2, env_kwargs={"checkpoint": weights}),
    ]
    for ask in asked:
        with pytest.raises(ParameterError, match=r"actions lie in \[-1, 1\]"):
            ask()
