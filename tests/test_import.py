"""Importing the package is light, and registers its environments."""

import importlib
import subprocess
import sys

import gymnasium as gym
import pytest

import learned_envs
from learned_envs import registry
from learned_envs.moved import MOVED


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_imports_neither_torch_nor_mujoco_and_takes_no_time() -> None:
    program = """
import sys, time
import gymnasium
start = time.process_time()
import learned_envs
print(time.process_time() - start)
gymnasium.register_envs(learned_envs)
heavy = {"torch", "mujoco", "stable_baselines3", "safetensors"} & set(sys.modules)
assert not heavy, heavy
"""
    assert float(run(program)) < 0.3


@pytest.mark.parametrize("task", [*registry.TASKS][::3])
def test_an_id_with_the_module_before_it_needs_no_import(task: str) -> None:
    program = f"""
import gymnasium as gym
try:
    env = gym.make("learned_envs:LearnedSim-{task}-v0")
    env.reset(seed=0)
    print(env.unwrapped.reference_id)
except Exception as error:
    from learned_envs.errors import WeightsNotShippedError
    assert isinstance(error, WeightsNotShippedError), error
    print("{registry.reference_id(task)}")
"""
    assert run(program) == registry.reference_id(task)


@pytest.mark.parametrize("task", registry.TASKS)
def test_registers_the_limits_of_the_reference(task: str) -> None:
    ours, reference = gym.spec(registry.env_id(task)), gym.spec(registry.reference_id(task))
    assert ours.max_episode_steps == reference.max_episode_steps
    assert ours.reward_threshold == reference.reward_threshold


def test_public_names_are_there_and_no_others() -> None:
    for name in learned_envs.__all__:
        assert getattr(learned_envs, name) is not None
        assert name in dir(learned_envs)
    with pytest.raises(AttributeError, match="Simulatoin"):
        _ = learned_envs.Simulatoin


@pytest.mark.parametrize("old", MOVED)
def test_a_module_is_found_by_the_name_that_it_had(old: str) -> None:
    room, _, name = old.rpartition(".")
    # An imported module becomes an attribute of its package, and would hide what is there.
    assert name not in getattr(importlib.import_module(room), "__all__", ())
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is {MOVED[old]} now"):
        found = importlib.import_module(old)
    assert found is importlib.import_module(MOVED[old])
    assert found.__spec__.name == MOVED[old]
