"""A model of a system is judged by another environment of the same system, or that is refused."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from users import users_module

import learned_envs
from learned_envs.card import read_card
from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.sb3 import make_vec_env

HOPPERS = """
import gymnasium as gym
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv


class Backwards(HopperEnv):
    def _get_rew(self, x_velocity, action):
        return super()._get_rew(-x_velocity, action)


class Stiff(Backwards):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.model.dof_damping[3:] *= 2


gym.register("Backwards-v0", entry_point=Backwards, max_episode_steps=30)
gym.register("Stiff-v0", entry_point=Stiff)
"""


@pytest.fixture(scope="module")
def hoppers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with users_module(tmp_path_factory.mktemp("users"), "my_hoppers", HOPPERS) as name:
        yield name


@pytest.fixture
def options(hoppers: str, weights: Path) -> dict[str, Any]:
    return {"checkpoint": weights, "reference": f"{hoppers}:Backwards-v0"}


def test_the_other_environment_says_what_is_paid_and_how_long(options: dict[str, Any]) -> None:
    plain: Any = gym.make("LearnedSim-v0", checkpoint=options["checkpoint"], ensemble="mean")
    other: Any = gym.make("LearnedSim-v0", **options, ensemble="mean")
    hosted: Any = gym.make("LearnedSim-v0", **options, ensemble="mean", rules="hosted")
    assert other.unwrapped.reference_id == "Backwards-v0"
    for env in (plain, other, hosted):
        env.reset(seed=0)
    for env in (other, hosted):
        env.unwrapped.set_state(plain.unwrapped.state.q, plain.unwrapped.state.v)
    action = np.array([0.1, -0.2, 0.3], dtype=np.float32)
    (seen, _, *_, told), (same, paid, *_, undone) = plain.step(action), other.step(action)
    # float32 against float64.
    np.testing.assert_allclose(seen, same, rtol=0, atol=1e-5)
    assert undone["reward_forward"] == pytest.approx(-told["reward_forward"], abs=1e-4)
    assert paid == pytest.approx(hosted.step(action)[1], abs=1e-3)
    envs = gym.make_vec("LearnedSim-v0", num_envs=2, **options)
    envs.reset(seed=0)
    ended = [envs.step(np.zeros((2, 3), np.float32))[2:4] for _ in range(30)]
    assert all(any(np.any(one[row]) for each in ended for one in each) for row in range(2))


def test_agents_train_there(options: dict[str, Any]) -> None:
    assert make_vec_env("LearnedSim-v0", 2, env_kwargs=options).reset().shape == (2, 11)
    learned_envs.register("LearnedSim-Backwards-v0", **options)
    assert gym.spec("LearnedSim-Backwards-v0").max_episode_steps == 30


@pytest.mark.parametrize("rules", ["traced", "hosted"])
def test_another_system_is_refused_by_the_difference(
    rules: str, hoppers: str, options: dict[str, Any]
) -> None:
    stiff = {**options, "reference": f"{hoppers}:Stiff-v0", "rules": rules}
    with pytest.raises(ParameterError, match="another dof_damping"):
        gym.make("LearnedSim-v0", **stiff)
    with pytest.raises(ParameterError, match="frame_skip is 2, and was 4"):
        gym.make("LearnedSim-v0", **options, rules=rules, frame_skip=2)


@pytest.mark.parametrize(
    ("id", "reference", "words"),
    [
        ("LearnedSim-v0", "Ant", "expected the name of an environment"),
        ("LearnedSim-v0", "Ant-v5", "timestep is 0.01, and was 0.002"),
        ("LearnedSim-Hopper-v0", "HalfCheetah-v5", "for the environment of Hopper"),
    ],
)
def test_what_is_none_of_its_environments_is_named(
    id: str, reference: str, words: str, weights: Path
) -> None:
    with pytest.raises(ParameterError, match=words):
        gym.make(id, checkpoint=weights, reference=reference)


def test_transfer_compares_agents_of_another_environment(
    benchmark: Callable[[str], ModuleType], options: dict[str, Any]
) -> None:
    transfer, task = benchmark("transfer"), options["reference"]
    asked = transfer.Options(task=(task,), checkpoint=options["checkpoint"], seeds=1)
    _, inside, outside = transfer.plan(asked, task)
    assert inside._rules == {"reference": task}
    assert inside.settings["weights"] == read_card(options["checkpoint"]).sha256
    assert outside.settings["weights"] is None
    assert re.fullmatch(r"backwards\.v0\.\w+", inside.folder.parent.name)
    with pytest.raises(CheckpointError, match="holds weights for Hopper"):
        transfer.main(replace(asked, record=True))
