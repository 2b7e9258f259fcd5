"""SB3's own zips: whose agents are loaded, and what is wrong with the others, in one error."""

import json
import zipfile
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from learned_envs.errors import CheckpointError, ParameterError, ShapeError
from learned_envs.sb3 import Agent, Normalisation, SavedAgent

PENDULUM = partial(gym.make, "InvertedPendulum-v5")


def small(env, **arguments):
    return PPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=1, device="cpu", **arguments)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of a small agent that has not learned."""
    path = tmp_path_factory.mktemp("zips") / "pendulum.zip"
    small(PENDULUM()).save(path)
    return path


def test_what_is_no_agent_is_named(archive, tmp_path):
    whole = archive.read_bytes()
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "empty.zip").touch()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder").mkdir()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / "flipped.zip").write_bytes(flipped)
    DQN("MlpPolicy", "CartPole-v1", buffer_size=100).save(tmp_path / "dqn.zip")
    small("CartPole-v1").save(tmp_path / "cart.zip")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as other:
        other.writestr("notes.txt", "of something else")
    named = {
        "missing.zip": "no agent at",
        "folder": "no agent at",
        "text.zip": "is not an agent",
        "empty.zip": "is not an agent",
        "cut.zip": "is not an agent",
        "flipped.zip": "is not an agent",
        "dqn.zip": "dqn.policies",
        "cart.zip": r"Discrete\(2\)",
        "notes.zip": "without data and policy.pth",
    }
    for name, message in named.items():
        with pytest.raises(CheckpointError, match=message):
            Agent.load(tmp_path / name)


@pytest.mark.parametrize(
    "data", ["{}", "[]", "nonsense", '{"policy_class": 3}', '{"policy_class": {"__module__": []}}']
)
def test_an_archive_that_does_not_say_its_policy_is_named(data, archive, tmp_path):
    rewrite(archive, tmp_path / "odd.zip", {"data": data})
    with pytest.raises(CheckpointError, match=r"odd\.zip"):
        Agent.load(tmp_path / "odd.zip")


def test_what_another_sb3_wrote_and_this_one_cannot_load_names_both(archive, tmp_path):
    with zipfile.ZipFile(archive) as whole:
        data = json.loads(whole.read("data"))
    data["policy_class"][":serialized:"] = "bm90aGluZw=="
    changes = {"data": json.dumps(data), "_stable_baselines3_version": "0.11.1"}
    rewrite(archive, tmp_path / "old.zip", changes)
    with pytest.raises(CheckpointError, match=r"by SB3 0\.11\.1, and SB3 2"):
        Agent.load(tmp_path / "old.zip")


def test_an_agent_that_lacks_what_normalised_its_observations_is_refused(tmp_path):
    envs = VecNormalize(DummyVecEnv([PENDULUM]))
    model = small(envs)
    model.learn(32)
    model.save(tmp_path / "pendulum.zip")
    with pytest.raises(CheckpointError, match="statistics"):
        Agent.load(tmp_path / "pendulum.zip")
    Agent(PPO.load(tmp_path / "pendulum.zip"), Normalisation.of(envs)).save(tmp_path / "agent")
    observation = np.ones(4)
    expected = model.predict(envs.normalize_obs(observation), deterministic=True)[0]
    assert np.array_equal(Agent.load(tmp_path / "agent")(observation), expected)
    rewards_only = small(VecNormalize(DummyVecEnv([PENDULUM]), norm_obs=False))
    rewards_only.learn(32)
    rewards_only.save(tmp_path / "rewards.zip")
    assert Agent.load(tmp_path / "rewards.zip")(observation).shape == (1,)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (partial(gym.make, "Walker2d-v5"), r"observations have the shape \(17,\), those here \(4,"),
        (
            lambda: gym.wrappers.RescaleAction(PENDULUM(), -1.0, 1.0),
            r"actions lie in \[-1, 1\], those here in \[-3, 3\]",
        ),
        (
            lambda: gym.wrappers.DtypeObservation(PENDULUM(), np.float32),
            "observations are float32, those here float64",
        ),
    ],
    ids=["another task", "rescaled actions", "another dtype"],
)
def test_spaces_are_compared_and_their_difference_is_named(made, message, tmp_path):
    small(made()).save(tmp_path / "other.zip")
    here = PENDULUM()
    with pytest.raises(ParameterError, match=rf"other\.zip.*{message}"):
        SavedAgent(tmp_path / "other.zip").check_spaces(here.observation_space, here.action_space)


def test_an_agent_says_which_observations_it_knows(archive):
    agent = Agent.load(archive)
    here = PENDULUM()
    agent.check_spaces(here.observation_space, here.action_space)
    with pytest.raises(ShapeError, match=r"\(2, 11\), expected \(4,\)"):
        agent(np.zeros((2, 11)))


def rewrite(source: Path, target: Path, changes: dict[str, str]) -> None:
    """Copy a zip with other contents of some of its files."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
