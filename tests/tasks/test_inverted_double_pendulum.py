import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.inverted_double_pendulum import FORCE, InvertedDoublePendulum
from learned_envs.tasks.task import Transition


@pytest.fixture
def pendulum(spec: Callable[[str], SystemSpec]) -> InvertedDoublePendulum:
    return InvertedDoublePendulum(spec=spec("InvertedDoublePendulum"))


def leaning(*q: float) -> State:
    return State(torch.tensor(q, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def arrival(state: State) -> Transition:
    return Transition(state, torch.zeros(1), state, torch.zeros(3))


@pytest.mark.parametrize(
    ("q", "falls"),
    [
        ((0.0, 0.0, 0.0), False),
        # Both poles in line: the tip is at 1.2 cos, and at 1 if the cosine is 5 / 6.
        ((0.5, math.acos(5 / 6) - 1e-9, 0.0), False),
        ((0.5, math.acos(5 / 6) + 1e-9, 0.0), True),
        # A folded hinge has the tip at the cart.
        ((0.0, 0.0, math.pi), True),
        # The second angle counts from the lower pole: the upper one stands upright on it.
        ((0.0, 0.3, -0.3), False),
        # A comparison with what is not a number is false, in the reference too.
        ((0.0, math.nan, 0.0), False),
    ],
    ids=str,
)
def test_a_tip_too_low_ends_the_episode_unpaid(
    q: tuple[float, float, float], falls: bool, pendulum: InvertedDoublePendulum
) -> None:
    state = leaning(*q)
    assert pendulum.terminated(state) == falls
    paid = pendulum.reward_terms(arrival(state))["reward_survive"]
    assert paid == (0.0 if falls else 10.0)


def test_penalties_are_those_of_a_known_pose(pendulum: InvertedDoublePendulum) -> None:
    # The lower pole lies along +x, the upper one stands on its end: the tip is at (0.7, 0.6).
    state = State(leaning(0.1, math.pi / 2, -math.pi / 2).q, torch.tensor([9.0, 2.0, -3.0]))
    terms = pendulum.reward_terms(arrival(state))
    assert terms["distance_penalty"].item() == pytest.approx(-(0.01 * 0.7**2 + 1.4**2))
    # float32's rounding.
    assert terms["velocity_penalty"].item() == pytest.approx(-(4e-3 + 45e-3), rel=1e-6)


def test_speeds_and_the_sensor_are_clipped(pendulum: InvertedDoublePendulum) -> None:
    state = State(leaning(0.0, 0.0, 0.0).q, torch.tensor([20.0, -30.0, 5.0]))
    observation = pendulum.observation(state, {FORCE.name: torch.tensor([-40.0])})
    np.testing.assert_array_equal(observation[5:], [10, -10, 5, -10])
    assert pendulum.observation(state)[FORCE.place] == 0


def test_the_real_reward_sees_the_tip_a_little_beside_q(pendulum: InvertedDoublePendulum) -> None:
    env: Any = make_reference("InvertedDoublePendulum").unwrapped
    random, gaps = np.random.default_rng(0), []
    env.reset(seed=0)
    for _ in range(3000):
        action = random.uniform(env.action_space.low, env.action_space.high)
        _, reward, terminated, _, _ = env.step(action)
        state = State(torch.tensor(env.data.qpos), torch.tensor(env.data.qvel))
        assert pendulum.terminated(state) == terminated
        gaps.append(abs(pendulum.reward(arrival(state)).item() - reward))
        if terminated:
            env.reset()
    # Measured with eight seeds: medians of 4e-6 to 5e-6, and 1e-4 to 2e-3 at most.
    assert 1e-6 < np.median(gaps) < 1e-5
    assert max(gaps) < 5e-3
