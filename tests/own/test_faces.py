"""Episodes of a user's environment, in all the ways that those of the package's own can be had."""

import copy
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv

from learned_envs import Simulation, State
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.planning import CEM, Planner, imagined_returns

PLAIN: dict[str, Any] = {"max_disagreement": None}


@pytest.fixture(params=[False, "auto"], ids=["eager", "compiled"])
def options(request: pytest.FixtureRequest, run: Path) -> dict[str, Any]:
    return {"checkpoint": run, "compile": request.param, **PLAIN}


def steps_of(env: Any, actions: np.ndarray) -> list[Any]:
    found = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        found.append((observation, reward, terminated, info["foot"]))
        if terminated or truncated:
            break
    return found


def drawn(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)


def same(ours: list[Any], theirs: list[Any], atol: float = 0.0) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=atol)


def test_one_of_a_vector_is_the_single_environment(options: dict[str, Any]) -> None:
    envs = gym.make_vec("LearnedSim-v0", num_envs=1, **options)
    twin = SyncVectorEnv([lambda: gym.make("LearnedSim-v0", **options)])
    first, first_info = envs.reset(seed=3)
    other, other_info = twin.reset(seed=3)
    np.testing.assert_allclose(first, other, rtol=0, atol=1e-6)
    np.testing.assert_allclose(first_info["foot"], other_info["foot"], rtol=0, atol=1e-6)
    for action in drawn(80):
        ours, theirs = envs.step(action[None]), twin.step(action[None])
        for one, another in zip(ours[:4], theirs[:4], strict=True):
            # Torch and numpy round apart by 1e-5 a step at most, as for the tasks of the package.
            # Rewards are differences over 0.02 s.
            np.testing.assert_allclose(one, another, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_as_it_would_have(options: dict[str, Any], copied: Any) -> None:
    env = gym.make("LearnedSim-v0", **options)
    env.reset(seed=0)
    for action in drawn(3):
        env.step(action)
    twin = copied(env)
    same(steps_of(env, drawn(5)), steps_of(twin, drawn(5)))
    # Randomness is copied too, and each has its own.
    goals = [face.reset()[0][8] for face in (env, twin)]
    assert goals[0] == goals[1]


def test_a_copy_of_many_goes_on_as_they_would_have(options: dict[str, Any]) -> None:
    envs = gym.make_vec("LearnedSim-v0", num_envs=5, **options)
    envs.reset(seed=0)
    envs.step(np.ones((5, 2), np.float32))
    twin = pickle.loads(pickle.dumps(envs))
    action = np.full((5, 2), 0.5, np.float32)
    for one, other in zip(envs.step(action)[:4], twin.step(action)[:4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_state_brings_its_memory_along(options: dict[str, Any]) -> None:
    env: Any = gym.make("LearnedSim-v0", **options).unwrapped
    env.reset(seed=0)
    env.step(np.array([0.5, -0.5], np.float32))
    state = env.state
    assert {"env.last_action", "env.goal"} <= state.memory.keys()
    np.testing.assert_array_equal(state.memory["env.last_action"], [0.5, -0.5])
    first = steps_of(env, drawn(4))
    env.reset(seed=1)
    env.set_state(state)
    same(steps_of(env, drawn(4)), first)
    # q and v alone leave memory as it is.
    env.set_state(state)
    env.set_state(np.zeros(3), np.zeros(3))
    seen, *_ = env.step(np.zeros(2, np.float32))
    assert seen[8] == np.float32(state.memory["env.goal"].item())
    other = state.remember(**{"env.goal": torch.tensor([1.5])})
    env.state = other
    assert env.step(np.zeros(2, np.float32))[0][8] == 1.5
    with pytest.raises((ShapeError, ParameterError), match=r"env\.goal"):
        env.set_state(state.remember(**{"env.goal": torch.zeros(3)}))
    with pytest.raises(ParameterError, match="nonsense"):
        env.set_state(state.remember(nonsense=torch.zeros(1)))


def test_episodes_begin_where_they_are_told_to(options: dict[str, Any]) -> None:
    goals = torch.linspace(3, 4, 7)[:, None]
    leaves = {"env.goal": goals, "env.last_action": torch.full((7, 2), 0.25)}
    starts = State(torch.zeros(7, 3), torch.zeros(7, 3), leaves)
    make = {"num_envs": 40, "start_fraction": 1.0, **options}
    seen, info = gym.make_vec("LearnedSim-v0", starts=starts, **make).reset(seed=0)
    assert np.isin(seen[:, 8], goals.numpy()).all()
    assert len(np.unique(seen[:, 8])) > 3
    np.testing.assert_array_equal(seen[:, 6:8], 0.25)
    np.testing.assert_allclose(info["distance"], seen[:, 8], rtol=0, atol=1e-6)
    with pytest.raises(ParameterError, match=r"without env\.goal"):
        gym.make_vec("LearnedSim-v0", starts=starts.forget("env.goal"), **make)


def test_starts_are_resets_of_the_real_environment(run: Path, leg: str) -> None:
    simulation = Simulation.load(run)
    state = simulation.reset(2000, torch.Generator().manual_seed(0))
    goals = state.memory["env.goal"]
    # Uniform over [-2, 2]: of 4,096 draws the extremes are nearer to it than 0.02 but once in 10^9.
    assert -2 <= goals.min() < -1.95
    assert 2 >= goals.max() > 1.95
    assert (state.memory["env.last_action"] == 0).all()
    assert state.q.abs().max() <= 0.02
    env: Any = gym.make(leg).unwrapped
    env.reset(seed=0)
    known = torch.tensor([*env.data.qpos, *env.data.qvel, env.last_action.sum(), env.goal])
    starts = simulation.dynamics.starts
    assert starts is not None
    # Seeds from 0 on were recorded.
    torch.testing.assert_close(starts[0, :6], known[:6].float(), rtol=0, atol=0)


def test_a_search_plans_with_it(run: Path) -> None:
    simulation = Simulation.load(run)
    state = simulation.reset(2, torch.Generator().manual_seed(0))
    paid = imagined_returns(simulation)(state, torch.zeros(2, 6, 4, 2))
    assert paid.shape == (2, 6)
    assert paid.isfinite().all()
    plan = Planner(imagined_returns(simulation), simulation.task.spec, CEM(horizon=4, iterations=2))
    action = plan(state)
    assert action.shape == (2, 2)
    rollout = simulation.rollout(state, torch.zeros(2, 4, 2))
    assert rollout.states.memory["env.goal"].shape == (2, 5, 1)


def test_gradients_flow_through_its_rules(run: Path) -> None:
    simulation = Simulation.load(run)
    state = simulation.reset(4, torch.Generator().manual_seed(0))
    action = torch.zeros(4, 2, requires_grad=True)
    simulation.step(state, action).reward.sum().backward()
    assert action.grad is not None
    assert action.grad.isfinite().all()
    assert (action.grad != 0).any()
