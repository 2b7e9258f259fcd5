"""The disagreement is measured once in a few steps of an episode, in each where it is due."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from marks import needs_compiler

from learned_envs.envs import FunctionalEnv
from learned_envs.errors import ParameterError

Make = Callable[..., Any]

COMPILE = [False, pytest.param("auto", marks=needs_compiler)]

SAME = AutoresetMode.SAME_STEP


def action(count: int, step: int) -> np.ndarray:
    return np.random.default_rng(step).uniform(-1, 1, (count, 3)).astype(np.float32)


@pytest.mark.parametrize("compile", COMPILE)
def test_episodes_measure_on_their_own_clocks_what_every_step_would(make: Make, compile: Any):
    options = {"compile": compile, "max_disagreement": 1e9}
    envs, twin = (
        make(70, disagreement_every=every, autoreset_mode=AutoresetMode.DISABLED, **options)
        for every in (3, 1)
    )
    envs.reset(seed=0), twin.reset(seed=0)
    age, held = np.zeros(70, dtype=int), np.zeros(70)
    for step in range(12):
        observation, reward, *ends, infos = envs.step(action(70, step))
        expected, their_reward, *_, theirs = twin.step(action(70, step))
        np.testing.assert_allclose(observation, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(reward, their_reward, rtol=1e-4, atol=1e-4)
        held = np.where(age % 3 == 0, theirs["disagreement"], held)
        np.testing.assert_allclose(infos["disagreement"], held, rtol=1e-2, atol=1e-5)
        age += 1
        # Others begin anew, so that not all are due at once.
        mask = np.random.default_rng(step).random(70) < 0.2
        mask |= np.logical_or(*ends)
        envs.reset(options={"reset_mask": mask}), twin.reset(options={"reset_mask": mask})
        age[mask], held[mask] = 0, 0
        state = twin.state
        envs.set_state(state.q, state.v)


@pytest.mark.parametrize("compile", COMPILE)
def test_one_environment_alone_and_in_a_batch_measure_alike(make: Make, weights, compile: Any):
    options = {"checkpoint": weights, "compile": compile, "max_disagreement": 1e9}
    env = gym.make("LearnedSim-Hopper-v0", disagreement_every=4, **options)
    envs = make(1, disagreement_every=4, **options)
    env.reset(seed=0), envs.reset(seed=0)
    seen = []
    for step in range(9):
        *_, info = env.step(action(1, step)[0])
        *_, infos = envs.step(action(1, step))
        seen.append(info["disagreement"])
        assert info["disagreement"] == pytest.approx(infos["disagreement"][0], rel=1e-2)
    assert [len({*seen[start : start + 4]}) for start in (0, 4)] == [1, 1]
    assert len({*seen}) == 3


@pytest.mark.parametrize("every", [1, 5])
def test_an_episode_is_cut_where_it_is_due_and_nowhere_else(make: Make, every: int):
    env = gym.make(
        "LearnedSim-Hopper-v0",
        checkpoint=make(1)._core.options.checkpoint,
        disagreement_every=every,
        max_disagreement=1e-9,
        compile=False,
    )
    env.reset(seed=0)
    cuts = [env.step(action(1, 0)[0])[3] for _ in range(7)]
    assert cuts == [step % every == 0 for step in range(7)]


@pytest.mark.parametrize(
    "option",
    [{"disagreement_penalty": 0.1}, {"disagreement_in_info": True}, {"ensemble": "mean"}],
    ids=str,
)
def test_what_needs_every_step_measures_every_step(make: Make, option: dict[str, Any]):
    envs = make(3, disagreement_every=4, compile=False, **option)
    envs.reset(seed=0)
    values = [envs.step(action(3, step))[-1]["disagreement"][0] for step in range(4)]
    assert len({*values}) == 4


def test_a_state_that_is_given_back_goes_on_with_its_clock(make: Make):
    envs = make(3, disagreement_every=4, compile=False, max_disagreement=1e9)
    envs.reset(seed=0)
    envs.step(action(3, 0))
    state = envs.state
    first = [envs.step(action(3, step))[-1]["disagreement"] for step in range(5)]
    envs.state = state
    again = [envs.step(action(3, step))[-1]["disagreement"] for step in range(5)]
    np.testing.assert_array_equal(first, again)


def test_gradients_flow_through_steps_of_both_kinds(make: Make):
    path = make(1)._core.options.checkpoint
    env = FunctionalEnv("Hopper", 4, checkpoint=path, disagreement_every=2)
    state = env.init(0)
    given = torch.zeros(4, 3, requires_grad=True)
    for _ in range(3):
        state = env.step(state, given)
    state.reward.sum().backward()
    assert given.grad is not None and given.grad.abs().sum() > 0


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", "Auto", None, True])
def test_what_is_no_number_of_steps_is_refused(make: Make, every: Any):
    with pytest.raises(ParameterError, match="disagreement_every"):
        make(1, disagreement_every=every)
