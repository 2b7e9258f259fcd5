"""An environment can be pickled and copied at any time, and goes on as it would have."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hoppers import MODES, Make, actions
from marks import needs_compiler

from learned_envs import Simulation
from learned_envs.envs import FunctionalEnv
from learned_envs.sb3 import make_vec_env
from learned_envs.state import State, leaves


def by_pickle(env: Any) -> Any:
    return pickle.loads(pickle.dumps(env))


WAYS = pytest.mark.parametrize("keep", [by_pickle, copy.deepcopy])
COMPILED = pytest.mark.parametrize(
    "compile", [False, pytest.param(True, marks=needs_compiler)], ids=["plain", "compiled"]
)


def play(env: Any, steps: int, *shape: int) -> list[Any]:
    """Step, and begin anew when an episode of a single environment ends."""
    seen = []
    for action in actions(steps, *shape, seed=9):
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append((observation, reward, terminated, truncated, info.get("diverged")))
        if not shape and (terminated or truncated):
            seen.append(env.reset()[0])
    return seen


def assert_equal(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (list, tuple)):
        for mine, other in zip(ours, theirs, strict=True):
            assert_equal(mine, other)
    else:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@WAYS
@COMPILED
def test_a_single_environment(make_single: Make, keep: Any, compile: bool) -> None:
    env = make_single(compile=compile)
    again = keep(env)
    assert_equal(again.reset(seed=3)[0], env.reset(seed=3)[0])
    # Right after a reset, and in the middle of an episode.
    for steps in (0, 4):
        play(env, steps)
        again = keep(keep(env))
        assert_equal(play(again, 12), play(env, 12))


def test_a_model_that_remembers(checkpoint: Callable[..., Path]) -> None:
    # Nothing ends an episode but that the untrained model leaves its data, which takes longer.
    options = {
        "checkpoint": checkpoint("Hopper", "recurrent"),
        "max_disagreement": None,
        "terminate_when_unhealthy": False,
    }
    for env, batch in (
        (gym.make("LearnedSim-Hopper-v0", **options), ()),
        (gym.make_vec("LearnedSim-Hopper-v0", num_envs=3, **options), (3,)),
    ):
        env.reset(seed=0)
        play(env, 2, *batch)
        kept = env.unwrapped.state
        again = by_pickle(env)
        played = play(env, 2, *batch)
        assert_equal(play(again, 2, *batch), played)
        again.reset(seed=1)
        again.unwrapped.state = kept
        assert_equal(play(again, 2, *batch), played)


@WAYS
def test_wrappers_and_time_limits_go_along(checkpoint: Callable[..., Path], keep: Any) -> None:
    path = checkpoint("Hopper")
    env = gym.make("LearnedSim-Hopper-v0", checkpoint=path, max_episode_steps=7)
    env = gym.wrappers.RecordEpisodeStatistics(env)
    env.reset(seed=0)
    play(env, 5)
    assert_equal(play(keep(env), 9), play(env, 9))


@WAYS
@COMPILED
@pytest.mark.parametrize("mode", MODES[:2])
def test_a_vector_environment(make: Make, keep: Any, mode: AutoresetMode, compile: bool) -> None:
    envs = make(5, autoreset_mode=mode, max_episode_steps=6, compile=compile)
    again = keep(envs)
    assert_equal(again.reset(seed=3)[0], envs.reset(seed=3)[0])
    for steps in (0, 4):
        play(envs, steps, 5)
        again = keep(envs)
        assert again.metadata == envs.metadata
        assert again.observation_space == envs.observation_space
        # Episodes end and begin in between, from the same randomness.
        assert_equal(play(again, 20, 5), play(envs, 20, 5))


def test_a_copy_lives_its_own_life(make: Make, make_single: Make) -> None:
    for envs, shape in ((make(2), (2, 6)), (make_single(), (6,))):
        envs.reset(seed=0)
        again = copy.deepcopy(envs)
        before = envs.state
        again.set_state(np.full(shape, 0.5), np.zeros(shape))
        assert torch.equal(envs.state.q, before.q)
        again.np_random.random()
        assert envs.np_random.bit_generator.state != again.np_random.bit_generator.state


@WAYS
def test_starts_and_tensors_go_along(make: Make, keep: Any) -> None:
    starts = State(torch.zeros(2, 6), torch.zeros(2, 6))
    envs = make(3, starts=starts, start_fraction=1.0, tensors=True, max_episode_steps=3)
    envs.reset(seed=0)
    again = keep(envs)
    for action in torch.from_numpy(actions(9, 3)):
        for ours, theirs in zip(again.step(action)[:4], envs.step(action)[:4], strict=True):
            assert torch.equal(ours, theirs)


@WAYS
def test_a_functional_environment_and_its_state(checkpoint: Callable[..., Path], keep: Any) -> None:
    env = FunctionalEnv("Hopper", num_envs=3, checkpoint=checkpoint("Hopper"))
    state = env.step(env.init(seed=0), torch.zeros(3, 3))
    again, kept = keep((env, state))
    for _ in range(5):
        state, kept = env.step(state, torch.ones(3, 3)), again.step(kept, torch.ones(3, 3))
    assert_equal(leaves(kept), leaves(state))


@WAYS
def test_environments_for_sb3(checkpoint: Callable[..., Path], keep: Any) -> None:
    arguments = {"checkpoint": checkpoint("Hopper"), "max_episode_steps": 5}
    envs = make_vec_env("Hopper", 3, seed=1, env_kwargs=arguments)
    # The seed is not used up yet.
    assert_equal(keep(envs).reset(), envs.reset())
    for action in actions(3, 3):
        envs.step(action)
    again = keep(envs)
    assert again.get_attr("dt") == envs.get_attr("dt")
    for action in actions(12, 3, seed=1):
        ours, theirs = again.step(action), envs.step(action)
        assert_equal(ours[:3], theirs[:3])
        assert [info.get("episode", {}).get("r") for info in ours[3]] == [
            info.get("episode", {}).get("r") for info in theirs[3]
        ]


@WAYS
def test_a_simulation(checkpoint: Callable[..., Path], keep: Any) -> None:
    simulation = Simulation.load(checkpoint("Hopper"))
    state, action = simulation.reset(4, torch.Generator().manual_seed(0)), torch.zeros(4, 3)
    reached = simulation.step(state, action).state
    again = keep(simulation)
    assert torch.equal(again.step(state, action).state.q, reached.q)
    assert again.card == simulation.card
    assert again.device == simulation.device


def test_a_pickle_needs_neither_the_file_nor_this_process(
    make_single: Make, tmp_path: Path
) -> None:
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(make_single().spec.kwargs["checkpoint"].read_bytes())
    env = make_single(checkpoint=weights)
    env.reset(seed=0)
    kept = pickle.dumps(env)
    weights.unlink()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (there,) = pool.map(reached, [kept])
    assert_equal(there, env.step(np.ones(3))[0])


def reached(kept: bytes) -> np.ndarray:
    return pickle.loads(kept).step(np.ones(3))[0]
