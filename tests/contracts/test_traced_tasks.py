"""What the shipped weights of a task without a file promise: its card has the real rules.

The real environment is stepped live in float64, and the rules are given the true states, and what
the solver made of them. Both compute the same arithmetic; 1e-5 is what users are promised.
"""

from contextlib import closing
from dataclasses import replace

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from grids import SHIPPED_TRACED
from settled import real, state_of

from learned_envs import registry
from learned_envs.card import read_card
from learned_envs.checkpoint import open_checkpoint
from learned_envs.envs.infos import regrouped
from learned_envs.kinematics.lag import lags
from learned_envs.systems.difference import known_differences
from learned_envs.systems.reference import describe, make_reference
from learned_envs.tasks.task import Transition
from learned_envs.tasks.traced import TracedTask

TOLERANCE = 1e-5

every_task = pytest.mark.parametrize("name", SHIPPED_TRACED)


@every_task
def test_rules_are_the_references(name: str) -> None:
    task = open_checkpoint(name).task
    assert isinstance(task, TracedTask)
    random = np.random.default_rng(0)
    # By how much bodies lag behind q is known exactly, but for RK4, which guesses.
    made = make_reference(name).unwrapped if lags(task.equipment) else real(name)
    with closing(made) as env:
        for step in range(300):
            if step % 40 == 0:
                observation, _ = env.reset(seed=step)
                seen = task.observation(state_of(env)).numpy()
                np.testing.assert_allclose(seen, observation, rtol=0, atol=TOLERANCE)
            before = state_of(env)
            # Some actions are outside the range, and the reward must count those as they are.
            action = 2 * random.uniform(env.action_space.low, env.action_space.high)
            observation, reward, terminated, _, info = env.step(action)
            after = state_of(env)
            moved = np.zeros(env.model.nv)
            mujoco.mj_differentiatePos(env.model, moved, 1.0, before.q.numpy(), after.q.numpy())
            readings = {
                s.name: torch.tensor(getattr(env.data, s.name).ravel()) for s in task.sensors
            }
            verdict = task.judge(
                Transition(before, torch.tensor(action), after, torch.tensor(moved), readings)
            )
            close = {"rtol": TOLERANCE, "atol": TOLERANCE}
            np.testing.assert_allclose(verdict.observation.numpy(), observation, **close)
            np.testing.assert_allclose(verdict.reward.item(), reward, **close)
            assert verdict.terminated.item() == terminated
            told = regrouped({name: value.numpy() for name, value in verdict.info.items()})
            for name, value in info.items():
                np.testing.assert_allclose(told[name], value, **close)


@every_task
def test_the_card_says_what_its_environment_is(name: str) -> None:
    card = read_card(name)
    assert card.reference is not None
    assert card.reference.id == registry.reference_id(name)
    assert card.reference.episode_steps == gym.spec(card.reference.id).max_episode_steps
    with closing(make_reference(name)) as env:
        assert known_differences(replace(card.spec, leaves=()), describe(env)) == []


@every_task
def test_its_file_is_no_larger_than_a_package_should_have(name: str) -> None:
    assert registry.shipped_weights(name).stat().st_size <= 3_000_000
