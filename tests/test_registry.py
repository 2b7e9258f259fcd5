"""What users register is used as what the package registers itself."""

from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest
from users import users_module

from learned_envs import register_family, register_improver, register_task, registry
from learned_envs.checkpoint import read_card
from learned_envs.cli import main
from learned_envs.errors import ParameterError, UnknownNameError
from learned_envs.fit import FitConfig, TrainingConfig, collect, fit
from learned_envs.transfer import random_policy, score

MODULE = """
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.tasks.hopper import Hopper


gym.register("Slow-v0", "gymnasium.envs.mujoco.hopper_v5:HopperEnv", max_episode_steps=50)


@dataclass(frozen=True, kw_only=True)
class SlowHopper(Hopper):
    healthy_reward: float = 2.0


@dataclass(frozen=True)
class Small(SecondOrder):
    hidden: tuple[int, ...] = (8,)


def improver(task, config):
    assert config.agent_steps == 10

    def improve(checkpoint, starts, previous, out, seed, on_progress=None):
        out.mkdir(exist_ok=True)
        (out / "who.txt").write_text("me")
        return lambda observation: np.zeros((*observation.shape[:-1], 3), np.float32)

    return improve
"""

TRAINING = TrainingConfig(
    members=2, updates=4, batch_size=16, horizons=(1, 2), check_every=2, held_out=0.2
)


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[str]:
    """Return the name of a module of the user's."""
    with users_module(tmp_path, "my_robot", MODULE) as name:
        yield name


def test_a_task_and_a_family_of_the_user_are_fitted_and_made(mine: str, tmp_path: Path) -> None:
    register_task(
        "SlowHopper",
        f"{mine}:SlowHopper",
        reference_id=f"{mine}:Slow-v0",
        kwargs={"frame_skip": 8, "healthy_reward": 2.0},
    )
    register_family("small", f"{mine}:Small")
    # More than one chunk, so that processes that have just started record it.
    data = collect("SlowHopper", 10_100, tmp_path / "data", workers=2)
    config = FitConfig(family="small", data=str(data.path), training=TRAINING)
    simulation = fit("SlowHopper", tmp_path / "run", config, device="cpu")
    assert simulation.task.spec.frame_skip == 8
    assert read_card(tmp_path / "run").family == "small"
    env = gym.make("LearnedSim-SlowHopper-v0", checkpoint=tmp_path / "run")
    assert env.spec.max_episode_steps == 50
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[4]["reward_survive"] == 2.0
    still = random_policy(env.action_space)
    scored = score(still, "SlowHopper", checkpoint=tmp_path / "run", episodes=3)
    # Outside too each step of survival pays 2.
    assert (scored.outside > 2).all()


def test_an_improver_is_named_by_module_and_callable(mine: str, tmp_path: Path) -> None:
    rounds = {"steps_per_round": 1200, "updates_per_round": 4, "agent_steps": 10}
    words = ["fit", "Hopper", "--rounds", "1", "--algorithm", f"{mine}:improver"]
    for name, value in {**rounds, "members": 2, "batch_size": 16, "check_every": 2}.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--horizons", "1", "2", "--held-out", "0.2", "--option", "hidden=8,8"]
    assert main([*words, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert (tmp_path / "run" / "agent" / "who.txt").read_text() == "me"

    # A folder's own word is not enough to run code that the package does not have.
    with pytest.raises(ParameterError, match=f"--algorithm {mine}:improver to --resume"):
        fit("Hopper", tmp_path / "run", resume=True, device="cpu")
    resume = ["--algorithm", f"{mine}:improver", "--resume", "--device", "cpu"]
    assert main(["fit", "Hopper", "--out", str(tmp_path / "run"), *resume]) == 0
    improver = registry.improver(f"{mine}:improver")
    fit("Hopper", tmp_path / "run", improver=improver, resume=True, device="cpu")


def test_names_are_taken_once(mine: str) -> None:
    register_family("small", f"{mine}:Small")
    register_family("small", f"{mine}:Small")
    with pytest.raises(ParameterError, match="registered as my_robot:Small"):
        register_family("small", f"{mine}:Other")
    with pytest.raises(ParameterError, match="Choose another name"):
        register_improver("ppo", f"{mine}:improver")
    with pytest.raises(gym.error.NameNotFound):
        register_task("Mine", f"{mine}:SlowHopper", reference_id="NoSuchRobot-v0")
    assert "Mine" not in registry.TASKS


def test_what_cannot_be_found_is_named(mine: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown improver 'pppo'\. Did you mean 'ppo'"):
        registry.improver("pppo")
    with pytest.raises(UnknownNameError, match="Unknown module 'no_such_module'"):
        registry.improver("no_such_module:improver")
    with pytest.raises(UnknownNameError, match=r"'improvr'\. Did you mean 'improver'"):
        registry.improver(f"{mine}:improvr")
    with pytest.raises(UnknownNameError, match="Unknown family 'Small'"):
        registry.family_name(registry.load(f"{mine}:Small"))
