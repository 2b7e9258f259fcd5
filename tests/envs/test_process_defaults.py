"""Every face of a simulation works the same whatever torch's defaults are in the process."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from learned_envs import Simulation, registry
from learned_envs.envs import FunctionalEnv
from learned_envs.planning import CEM, Planner, imagined_returns

TASKS = ["Hopper", "InvertedDoublePendulum"]


@pytest.fixture(params=["float64", "meta"])
def strange_defaults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever makes a tensor without saying which fails on the meta device, or is too wide."""
    if request.param == "float64":
        torch.set_default_dtype(torch.float64)
    else:
        torch.set_default_device("meta")
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def single(task: str) -> list[Any]:
    env: Any = gym.make(registry.env_id(task)).unwrapped
    seen = [env.reset(seed=0)[0], *env.step(env.action_space.high)[:2]]
    env.set_state(env.init_qpos, env.init_qvel)
    env.state = env.state
    return [*seen, env.step(env.action_space.high)[0]]


def vector(task: str, **options: Any) -> list[Any]:
    envs: Any = gym.make_vec(registry.env_id(task), num_envs=5, max_episode_steps=2, **options)
    seen = [envs.reset(seed=0)[0]]
    for _ in range(5):
        seen += envs.step(envs.action_space.high)[:2]
    seen.append(envs.reset(options={"reset_mask": np.arange(5) < 3})[0])
    return seen


def tensors(task: str) -> list[Any]:
    seen = vector(task, tensors=True, autoreset_mode="SameStep")
    assert {(x.dtype, x.device.type) for x in seen} == {(torch.float32, "cpu")}
    return seen


def starting(task: str) -> list[Any]:
    simulation = Simulation.load(task)
    starts = simulation.reset(3, torch.Generator("cpu").manual_seed(0))
    return vector(task, starts=starts, start_fraction=0.5)


def functional(task: str) -> list[Any]:
    env = FunctionalEnv(task, num_envs=3)
    state = env.init(0)
    state = env.step(state, np.ones((3, *env.single_action_space.shape)))
    return [state.observation, state.reward, env.reset(state, np.ones(3, bool)).observation]


def imagined(task: str) -> list[Any]:
    simulation = Simulation.load(task)
    spec = simulation.task.spec
    start = simulation.reset(2, torch.Generator("cpu").manual_seed(0))
    rollout = simulation.rollout(start, np.ones((2, 4, spec.nu)))
    step = simulation.step(start, np.ones((2, spec.nu)), disagreement=True)
    planner = Planner(imagined_returns(simulation), spec, CEM(horizon=2, candidates=10, elites=3))
    return [rollout.rewards, step.observation, step.disagreement, planner(start)]


FACES = [single, vector, tensors, starting, functional, imagined]


@pytest.fixture(scope="module")
def expected() -> dict[tuple[str, str], list[Any]]:
    return {(face.__name__, task): face(task) for face in FACES for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("face", FACES)
def test_defaults_do_not_matter(
    expected: dict[tuple[str, str], list[Any]],
    strange_defaults: None,
    face: Callable[[str], list[Any]],
    task: str,
) -> None:
    for ours, theirs in zip(face(task), expected[face.__name__, task], strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
