import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Transition
from learned_envs.tasks.walker2d import Walker2d

Q0 = (0.0, 1.25, *[0.0] * 7)
AFTER = math.nextafter  # the neighbouring float64


@pytest.fixture
def walker(spec: Callable[[str], SystemSpec]) -> Walker2d:
    return Walker2d(spec=spec("Walker2d"))


def standing(*changes: tuple[str, int, float]) -> State:
    state = State(torch.tensor(Q0, dtype=torch.float64), torch.zeros(9, dtype=torch.float64))
    for name, index, value in changes:
        getattr(state, name)[index] = value
    return state


@pytest.mark.parametrize(
    ("changes", "healthy"),
    [
        ([], True),
        # Both ranges are open: their ends are outside, the next float inside.
        ([("q", 1, 0.8)], False),
        ([("q", 1, AFTER(0.8, 1))], True),
        ([("q", 1, 2.0)], False),
        ([("q", 1, AFTER(2.0, 0))], True),
        ([("q", 2, 1.0)], False),
        ([("q", 2, AFTER(1.0, 0))], True),
        ([("q", 2, -1.0)], False),
        ([("q", 2, AFTER(-1.0, 0))], True),
        ([("q", 1, math.nan)], False),
        ([("q", 2, math.nan)], False),
        # Unlike a hopper's, a walker's health is its height and angle alone.
        ([("q", 0, 1000.0), ("q", 5, 1000.0), ("v", 3, -1000.0)], True),
        ([("q", 3, math.nan), ("v", 0, math.nan)], True),
    ],
    ids=str,
)
def test_healthy_as_in_reference(changes: Any, healthy: bool, walker: Walker2d) -> None:
    state = standing(*changes)
    env: Any = make_reference("Walker2d").unwrapped
    env.data.qpos[:], env.data.qvel[:] = state.q, state.v
    assert env.is_healthy == healthy
    assert walker.healthy(state) == healthy
    assert walker.terminated(state) == (not healthy)


def test_observed_velocities_are_clipped(walker: Walker2d) -> None:
    state = standing(("v", 0, 10.5), ("v", 3, -40.0), ("v", 8, 9.5))
    expected = [*Q0[1:], 10, 0, 0, -10, 0, 0, 0, 0, 9.5]
    np.testing.assert_array_equal(walker.observation(state), expected)


def test_survival_is_paid_by_health_not_by_termination(walker: Walker2d) -> None:
    patient = Walker2d(spec=walker.spec, terminate_when_unhealthy=False)
    fallen = standing(("q", 1, 0.1))
    transition = Transition(standing(), torch.zeros(6), fallen, torch.zeros(9))
    assert not patient.terminated(fallen)
    assert patient.reward(transition) == 0
    assert patient.reward(Transition(fallen, torch.zeros(6), standing(), torch.zeros(9))) == 1
