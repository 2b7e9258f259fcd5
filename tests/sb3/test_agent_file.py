"""A stored agent is data: it comes back to the bit, runs nothing, and says what is wrong."""

import json
import pickle
import random
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from stable_baselines3 import A2C, DDPG, PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from learned_envs.card import checksum
from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.sb3 import Agent, AgentConfig, Normalisation, train_agent
from learned_envs.sb3.agent_file import _digest
from learned_envs.sb3.improver import CONFIGS
from learned_envs.systems.reference import make_reference

TASK = "InvertedPendulum"
OBSERVATIONS = np.random.default_rng(0).normal(size=(5, 4))
SDE = AgentConfig(n_envs=2, n_steps=32, batch_size=32, n_epochs=1, use_sde=True)
LEARNABLE = {
    "ppo": SDE,
    "sac": replace(CONFIGS["sac"](TASK), n_envs=2, gradient_steps=1),
    "td3": replace(CONFIGS["td3"](TASK), n_envs=2, gradient_steps=1),
}


class Bomb:
    """What leaves a file behind if somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small agent."""
    model = PPO(
        "MlpPolicy",
        gym.make("InvertedPendulum-v5"),
        n_steps=32,
        batch_size=32,
        n_epochs=1,
        policy_kwargs={"net_arch": [8, 8]},
        device="cpu",
    )
    model.learn(32)
    folder = tmp_path_factory.mktemp("agents") / "agent"
    Agent(model, Normalisation(np.zeros(4), np.ones(4), 10.0, 1e-8)).save(folder)
    return folder / "agent.safetensors"


@pytest.mark.parametrize("algorithm", LEARNABLE)
def test_an_agent_comes_back_to_the_bit_and_learns_on_as_if_it_had_stayed(algorithm, tmp_path):
    config = LEARNABLE[algorithm]
    envs = DummyVecEnv([partial(make_reference, TASK)] * 2)
    agent = train_agent(envs, 256, config, seed=0)
    agent.save(tmp_path / "agent")
    drawn = torch.random.get_rng_state()
    back = Agent.load(tmp_path / "agent")
    assert torch.equal(drawn, torch.random.get_rng_state())
    assert np.array_equal(back(OBSERVATIONS), agent(OBSERVATIONS))
    ours, theirs = back.model.get_parameters(), agent.model.get_parameters()
    assert ours.keys() == theirs.keys()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert back.model.gamma == agent.model.gamma
    one, two = (train_agent(envs, 256, config, seed=1, start=start) for start in (agent, back))
    assert np.array_equal(one(OBSERVATIONS), two(OBSERVATIONS))


def test_what_the_process_has_set_does_not_matter(stored, tmp_path):
    expected = Agent.load(stored)(OBSERVATIONS)
    PPO("MlpPolicy", gym.make("InvertedPendulum-v5"), seed=7, device="cpu").save(tmp_path / "a.zip")
    drawn = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        assert np.array_equal(Agent.load(stored)(OBSERVATIONS), expected)
        assert Agent.load(tmp_path / "a.zip")(OBSERVATIONS).shape == (5, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(drawn, torch.random.get_rng_state())


@pytest.mark.parametrize("algorithm", [A2C, DDPG])
def test_agents_of_near_kin_are_stored_by_the_algorithm_that_loads_them(algorithm, tmp_path):
    model = algorithm("MlpPolicy", gym.make("InvertedPendulum-v5"), device="cpu")
    model.learn(120)
    model.save(tmp_path / "a.zip")
    Agent.load(tmp_path / "a.zip").save(tmp_path / "agent")
    expected = model.predict(OBSERVATIONS, deterministic=True)[0]
    assert np.array_equal(Agent.load(tmp_path / "agent")(OBSERVATIONS), expected)


def test_a_folder_holds_no_pickle_and_none_that_lies_in_it_is_read(stored, tmp_path):
    with safe_open(stored, framework="numpy") as file:
        assert json.loads(file.metadata()["agent"])["algorithm"] == "PPO"
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
    folder, mark = tmp_path / "agent", tmp_path / "mark"
    folder.mkdir()
    bomb = pickle.dumps(Bomb(mark))
    with zipfile.ZipFile(folder / "agent.zip", "w") as archive:
        archive.writestr("data", bomb)
        archive.writestr("policy.pth", bomb)
    for name in ("vecnormalize.pkl", "observations.npz"):
        (folder / name).write_bytes(bomb)
    with pytest.raises(CheckpointError, match=r"agent\.zip of an earlier version.*If you trust it"):
        Agent.load(folder)
    small = PPO("MlpPolicy", gym.make("InvertedPendulum-v5"), device="cpu")
    small.save(tmp_path / "small.zip")
    for content in (bomb, (tmp_path / "small.zip").read_bytes()):
        (folder / "agent.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="agent"):
            Agent.load(folder)
    (folder / "agent.safetensors").write_bytes(stored.read_bytes())
    assert Agent.load(folder)(OBSERVATIONS).shape == (5, 1)
    assert not mark.exists()
    pickle.loads(bomb)
    assert mark.exists()


def test_what_cannot_be_stored_as_plain_values_is_refused(tmp_path):
    env = gym.make("InvertedPendulum-v5")
    make = partial(PPO, "MlpPolicy", env, device="cpu")
    refused = {
        "learning_rate": make(learning_rate=lambda left: 1e-3 * left),
        "Softplus": make(policy_kwargs={"activation_fn": torch.nn.Softplus}),
        "A2C": A2C("MlpPolicy", env, device="cpu"),
    }
    for name, model in refused.items():
        with pytest.raises(ParameterError, match=name):
            Agent(model).save(tmp_path / "agent")
    model = make()
    with torch.no_grad():
        model.policy.log_std.fill_(torch.nan)
    with pytest.raises(ParameterError, match="log_std is not finite"):
        Agent(model).save(tmp_path / "agent")
    assert not (tmp_path / "agent").exists()


def test_a_damaged_file_is_refused(stored, tmp_path):
    draw, whole, file = random.Random(0), stored.read_bytes(), tmp_path / "agent.safetensors"
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[draw.randrange(draw.choice([8, 4000, len(whole)]))] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged[: draw.choice([len(whole), len(whole), draw.randrange(4000)])])
        with pytest.raises(CheckpointError, match="agent"):
            Agent.load(file)


CRAFTED = [
    ("format", 2),
    ("format", "1"),
    ("algorithm", "os.system"),
    ("policy", "CnnPolicy"),
    ("arguments", {"net_arch": [8192] * 16}),
    ("arguments", {"net_arch": [8, 8], "features_extractor_class": "os.system"}),
    ("arguments", {"net_arch": [8, 8], "squash_output": True}),
    ("arguments", {"net_arch": {"pi": [8, 8]}}),
    ("arguments", {"net_arch": [8, 8], "optimizer_class": "SGD"}),
    ("settings", {}),
    ("n_envs", 10**9),
    ("normalisation", {"clip": -1.0, "epsilon": 0.0}),
    ("versions", 3),
    ("sha256", "0" * 64),
]


@pytest.mark.parametrize(("key", "value"), CRAFTED)
def test_a_crafted_card_is_refused(key, value, stored, tmp_path):
    with safe_open(stored, framework="pt") as file:
        card = json.loads(file.metadata()["agent"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    write(tmp_path / "agent.safetensors", {**card, key: value}, tensors)
    with pytest.raises(CheckpointError, match="agent"):
        Agent.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("action/low", torch.tensor([-torch.inf])),
        ("action/low", torch.tensor([9.0])),
        ("observation/low", torch.zeros(20_000)),
        ("policy/log_std", torch.zeros(2)),
        ("policy/log_std", torch.tensor([torch.nan])),
        ("policy.optimizer/0/exp_avg", torch.zeros(7)),
        ("policy.optimizer/99/step", torch.zeros(())),
        ("policy.optimizer/0/other", torch.zeros(1)),
        ("normalisation/mean", torch.zeros(3, dtype=torch.float64)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name, tensor, stored, tmp_path):
    with safe_open(stored, framework="pt") as file:
        card = json.loads(file.metadata()["agent"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    tensors[name] = tensor
    write(tmp_path / "agent.safetensors", {**card, "sha256": _digest(tensors)}, tensors)
    with pytest.raises(CheckpointError, match="agent"):
        Agent.load(tmp_path)


def write(path: Path, card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Write an agent's file that matches its checksums."""
    card["checksum"] = checksum(card)
    path.write_bytes(save(tensors, {"agent": json.dumps(card)}))
