import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.inverted_pendulum import InvertedPendulum
from learned_envs.tasks.task import Transition


@pytest.fixture
def pendulum(spec: Callable[[str], SystemSpec]) -> InvertedPendulum:
    return InvertedPendulum(spec=spec("InvertedPendulum"))


@pytest.mark.parametrize(
    ("values", "falls"),
    [
        ((0.0, 0.0, 0.0, 0.0), False),
        # 0.2 rad itself still stands, the next float64 does not.
        ((0.0, 0.2, 0.0, 0.0), False),
        ((0.0, math.nextafter(0.2, 1), 0.0, 0.0), True),
        ((0.0, -0.2, 0.0, 0.0), False),
        ((0.0, math.nextafter(-0.2, -1), 0.0, 0.0), True),
        ((1.0, 0.1, 50.0, 50.0), False),
        ((math.nan, 0.0, 0.0, 0.0), True),
        ((0.0, math.nan, 0.0, 0.0), True),
        ((0.0, 0.0, math.inf, 0.0), True),
        ((0.0, 0.0, 0.0, -math.inf), True),
    ],
    ids=str,
)
def test_a_fallen_pole_ends_the_episode_unpaid(
    values: tuple[float, ...], falls: bool, pendulum: InvertedPendulum
) -> None:
    # The cases follow the condition in inverted_pendulum_v5.py's `step`.
    q, v = torch.tensor(values, dtype=torch.float64).split(2)
    state = State(q, v)
    transition = Transition(state, torch.zeros(1), state, torch.zeros(2))
    assert pendulum.terminated(state) == falls
    assert pendulum.reward(transition) == (not falls)
    assert pendulum.info(transition)["reward_survive"] == (not falls)


def test_observation_is_the_whole_state(pendulum: InvertedPendulum) -> None:
    state = State(torch.tensor([[1.0, 2.0]]), torch.tensor([[30.0, 40.0]]))
    np.testing.assert_array_equal(pendulum.observation(state), [[1, 2, 30, 40]])


@pytest.mark.parametrize("scale", [0.0, 0.01, 0.1])
def test_starts_fill_their_range(scale: float, pendulum: InvertedPendulum) -> None:
    task = InvertedPendulum(spec=pendulum.spec, reset_noise_scale=scale)
    start = task.initial_state(5000, torch.Generator().manual_seed(0), torch.float64)
    for noise in (start.q, start.v):
        # Of 5000 uniform draws the largest is below 0.99 of the end with probability
        # 0.995^5000 = 1e-11.
        assert noise.abs().max() <= scale
        assert (noise.amax(0) >= 0.99 * scale).all()
        assert (noise.amin(0) <= -0.99 * scale).all()
