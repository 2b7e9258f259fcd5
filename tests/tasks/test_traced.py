"""Rules that were traced of Gymnasium's environments are theirs, and those of the tasks' own files.

Tolerances: both compute the same formulas. In float64 that differs by rounding alone, 1e-9 at
most; the solver's quantities are not in these environments' rules.
"""

from collections.abc import Callable
from contextlib import closing
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs import registry
from learned_envs.collect.asking import ask
from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Task, Transition, Verdict
from learned_envs.tasks.traced import TracedTask

TASKS = ["Hopper", "HalfCheetah", "Walker2d", "Swimmer"]

every_task = pytest.mark.parametrize("name", TASKS)


@cache
def traced(name: str) -> TracedTask:
    task = ask(f"{name}-v5").task
    assert isinstance(task, TracedTask)
    return task


def test_columns_are_known_that_depend_on_what_the_solver_makes() -> None:
    assert ask("Humanoid-v5").task.sensed == tuple(range(270, 348))
    assert traced("Hopper").sensed == ()


@cache
def recorded(name: str, steps: int = 1000) -> tuple[Transition, dict[str, np.ndarray]]:
    """Steps of the real environment in float64, under random actions from beyond the range."""
    random = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    shown: dict[str, list[Any]] = {}
    with closing(make_reference(f"{name}-v5")) as made:
        env: Any = made.unwrapped
        for index in range(steps):
            if index % 40 == 0:
                env.reset(seed=index)
            action = 1.5 * random.uniform(env.action_space.low, env.action_space.high)
            before = env.data.qpos.copy(), env.data.qvel.copy()
            observation, reward, terminated, _, info = env.step(action)
            rows.append((*before, action, env.data.qpos.copy(), env.data.qvel.copy()))
            told = {"observation": observation, "reward": reward, "terminated": terminated, **info}
            for key, value in told.items():
                shown.setdefault(key, []).append(value)
    q, v, u, next_q, next_v = (torch.tensor(np.stack(each)) for each in zip(*rows, strict=True))
    transition = Transition(State(q, v), u, State(next_q, next_v), next_q - q)
    return transition, {name: np.stack(values) for name, values in shown.items()}


def judged(task: Task, transition: Transition, dtype: torch.dtype) -> Verdict:
    return task.judge(
        Transition(
            transition.state.to(dtype),
            transition.action.to(dtype),
            transition.next_state.to(dtype),
            transition.displacement.to(dtype),
        )
    )


@every_task
def test_they_are_the_real_environments(name: str) -> None:
    transition, shown = recorded(name)
    verdict = judged(traced(name), transition, torch.float64)
    np.testing.assert_allclose(verdict.observation, shown["observation"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(verdict.reward, shown["reward"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(verdict.terminated, shown["terminated"])
    if name in ("Hopper", "Walker2d"):
        assert 0 < shown["terminated"].sum() < len(shown["terminated"])
    infos = shown.keys() - {"observation", "reward", "terminated"}
    assert verdict.info.keys() == infos
    for key in infos:
        np.testing.assert_allclose(verdict.info[key], shown[key], rtol=0, atol=1e-6, err_msg=key)
    assert not traced(name).sensors


@every_task
def test_they_are_those_of_the_tasks_own_file(name: str, spec: Callable[[str], SystemSpec]) -> None:
    written = registry.task_class(name).create(spec(name), {})
    transition, _ = recorded(name)
    # Float32 rounding of what is as large as 100, over a step of 0.008 s.
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-5)):
        ours = judged(traced(name), transition, dtype)
        theirs = judged(written, transition, dtype)
        scale = 1 + float(theirs.reward.abs().max())
        torch.testing.assert_close(ours.observation, theirs.observation, rtol=1e-6, atol=tolerance)
        torch.testing.assert_close(ours.reward, theirs.reward, rtol=0, atol=tolerance * scale)
        assert torch.equal(ours.terminated, theirs.terminated)
        for key, value in theirs.info.items():
            near = {"rtol": 1e-6, "atol": tolerance * (1 + float(value.abs().max()))}
            torch.testing.assert_close(ours.info[key], value, **near, msg=key)


@every_task
def test_far_from_the_origin_float32_pays_for_what_was_travelled(
    name: str, spec: Callable[[str], SystemSpec]
) -> None:
    transition, _ = recorded(name)
    exact = judged(traced(name), transition, torch.float64)
    far = torch.zeros_like(transition.state.q)
    far[:, 0] = 10_000.0
    moved = Transition(
        State(transition.state.q + far, transition.state.v),
        transition.action,
        State(transition.next_state.q + far, transition.next_state.v),
        transition.displacement,
    )
    found = judged(traced(name), moved, torch.float32)
    # Positions near 10,000 are 1e-3 apart in float32: over 0.008 s to 0.05 s, a difference of them
    # would be wrong by 0.02 to 0.1. What is paid is as right as at the origin.
    error = (found.reward - exact.reward).abs() / (1 + exact.reward.abs())
    assert error.max() < 1e-4
    torch.testing.assert_close(found.observation, exact.observation.float(), rtol=0, atol=1e-4)
    assert torch.equal(found.terminated, exact.terminated)
    x = found.info["x_position"]
    # Positions themselves are as coarse as float32 is there.
    torch.testing.assert_close(x, (exact.info["x_position"] + 1e4).float(), rtol=0, atol=2e-3)
    written = judged(registry.task_class(name).create(spec(name), {}), moved, torch.float32)
    torch.testing.assert_close(found.reward, written.reward, rtol=1e-4, atol=1e-4)


def test_any_batch_will_do() -> None:
    transition, _ = recorded("Hopper")
    flat = judged(traced("Hopper"), transition, torch.float32)

    def shaped(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.reshape(4, 250, *tensor.shape[1:])

    grid = Transition(
        transition.state.map(shaped),
        shaped(transition.action),
        transition.next_state.map(shaped),
        shaped(transition.displacement),
    )
    found = judged(traced("Hopper"), grid, torch.float32)
    assert found.reward.shape == (4, 250)
    torch.testing.assert_close(found.observation, shaped(flat.observation))
    torch.testing.assert_close(found.reward, shaped(flat.reward))
    one = Transition(
        transition.state[0],
        transition.action[0],
        transition.next_state[0],
        transition.displacement[0],
    )
    torch.testing.assert_close(judged(traced("Hopper"), one, torch.float32).reward, flat.reward[0])
