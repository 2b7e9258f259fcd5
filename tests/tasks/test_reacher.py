import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.reacher import GOAL_RADIUS, Reacher
from learned_envs.tasks.task import Transition


@pytest.fixture
def reacher(spec: Callable[[str], SystemSpec]) -> Reacher:
    return Reacher(spec=spec("Reacher"))


def arrival(state: State) -> Transition:
    return Transition(state, torch.zeros(2), state, torch.zeros(4))


def test_targets_are_as_many_on_each_part_of_the_disc(reacher: Reacher) -> None:
    count = 20000
    start = reacher.initial_state(count, torch.Generator().manual_seed(0), torch.float64)
    x, y = start.q[:, 2:].T
    radius = torch.hypot(x, y)
    assert radius.max() < GOAL_RADIUS
    # The squared radius and the angle of a point that is uniform in a disc are uniform.
    shares = (radius / GOAL_RADIUS).square(), torch.atan2(y, x) / (2 * math.pi) + 0.5
    ranks = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    for share in shares:
        # One-sample Kolmogorov-Smirnov: sqrt(-ln(p / 2) / (2 count)) at p = 1e-6.
        bound = math.sqrt(-math.log(1e-6 / 2) / (2 * count))
        assert (share.sort().values - ranks).abs().max() < bound
    assert (start.v[:, 2:] == 0).all()


def test_the_real_target_stays_where_it_is_drawn() -> None:
    env: Any = make_reference("Reacher").unwrapped
    env.reset(seed=0)
    random = np.random.default_rng(0)
    for _ in range(50):
        env.step(random.uniform(env.action_space.low, env.action_space.high))
        # Exactly: that q holds the target, as the task assumes, is a fact about the reference.
        np.testing.assert_array_equal(env.data.qpos[2:], env.goal)
        np.testing.assert_array_equal(env.data.qvel[2:], 0)


def test_observation_and_reward_of_a_known_pose(reacher: Reacher) -> None:
    # The upper arm points along +y, the forearm back along +x.
    q = torch.tensor([math.pi / 2, -math.pi / 2, 0.01, 0.06], dtype=torch.float64)
    state = State(q, torch.tensor([1.0, 2.0, 0.0, 0.0], dtype=torch.float64))
    expected = [0, 0, 1, -1, 0.01, 0.06, 1, 2, 0.1, 0.04]
    # float64's rounding of pi.
    np.testing.assert_allclose(reacher.observation(state), expected, rtol=0, atol=1e-15)
    assert reacher.reward(arrival(state)).item() == pytest.approx(-math.hypot(0.1, 0.04))


def test_nothing_ends_an_episode(reacher: Reacher) -> None:
    state = State(torch.tensor([[math.nan] * 4, [1e9] * 4]), torch.zeros(2, 4))
    assert not reacher.terminated(state).any()


def test_the_real_fingertip_is_seen_a_little_beside_q(reacher: Reacher) -> None:
    env: Any = make_reference("Reacher").unwrapped
    random, gaps = np.random.default_rng(0), []
    for step in range(3000):
        if step % 50 == 0:
            env.reset(seed=step)
        action = random.uniform(env.action_space.low, env.action_space.high)
        observation, _, _, _, info = env.step(action)
        state = State(torch.tensor(env.data.qpos), torch.tensor(env.data.qvel))
        gaps.append(np.abs(reacher.observation(state).numpy() - observation).max())
        distance = reacher.reward_terms(arrival(state))["reward_dist"].item()
        # The distance cannot change by more than the way from one fingertip to the other.
        assert abs(distance - info["reward_dist"]) <= math.sqrt(2) * gaps[-1] + 1e-15
    # Measured with eight seeds: medians of 1.3e-6 m, and 3e-3 m to 7e-3 m at most.
    assert 1e-7 < np.median(gaps) < 3e-6
    assert max(gaps) < 1.5e-2
