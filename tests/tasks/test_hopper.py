import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.hopper import Hopper
from learned_envs.tasks.task import Transition

Q0 = (0.0, 1.25, 0.0, 0.0, 0.0, 0.0)
AFTER = math.nextafter  # the neighbouring float64


@pytest.fixture
def hopper(spec: Callable[[str], SystemSpec]) -> Hopper:
    return Hopper(spec=spec("Hopper"))


def standing(*changes: tuple[str, int, float]) -> State:
    state = State(torch.tensor(Q0, dtype=torch.float64), torch.zeros(6, dtype=torch.float64))
    for name, index, value in changes:
        getattr(state, name)[index] = value
    return state


@pytest.mark.parametrize(
    ("changes", "healthy"),
    [
        ([], True),
        # Every range is open: its ends are outside, the next float inside.
        ([("q", 1, 0.7)], False),
        ([("q", 1, AFTER(0.7, 1))], True),
        ([("q", 1, math.inf)], False),
        ([("q", 2, 0.2)], False),
        ([("q", 2, AFTER(0.2, 0))], True),
        ([("q", 2, -0.2)], False),
        ([("q", 2, AFTER(-0.2, 0))], True),
        ([("q", 5, 100.0)], False),
        ([("q", 5, AFTER(100, 0))], True),
        ([("v", 0, -100.0)], False),
        ([("v", 5, AFTER(-100, 0))], True),
        # The state's range leaves out x and z.
        ([("q", 0, 1000.0), ("q", 1, 1000.0)], True),
        ([("q", 3, math.nan)], False),
        ([("v", 0, math.nan)], False),
    ],
    ids=str,
)
def test_healthy_as_in_reference(changes: Any, healthy: bool, hopper: Hopper) -> None:
    state = standing(*changes)
    env: Any = make_reference("Hopper").unwrapped
    env.data.qpos[:], env.data.qvel[:] = state.q, state.v
    assert env.is_healthy == healthy
    assert hopper.healthy(state) == healthy
    assert hopper.terminated(state) == (not healthy)


def test_observed_velocities_are_clipped(hopper: Hopper) -> None:
    state = standing(("v", 0, 10.5), ("v", 3, -40.0), ("v", 4, 9.5))
    expected = [1.25, 0, 0, 0, 0, 10, 0, 0, -10, 9.5, 0]
    np.testing.assert_array_equal(hopper.observation(state), expected)
    # The dynamics go on from the true velocities.
    assert state.v[3] == -40


def test_forward_reward_far_from_the_origin_in_float32(hopper: Hopper) -> None:
    state = standing(("q", 0, 1000.0)).to(torch.float32)
    displacement = torch.zeros(6)
    displacement[0] = 1.234e-3
    transition = Transition(state, torch.zeros(3), state, displacement)
    # 1.234e-3 m in 0.008 s. float32's own rounding is 6e-8, relative; a difference of
    # positions at x = 1000, which are 6e-5 m apart, would be wrong by 2e-2, relative.
    assert hopper.reward_terms(transition)["reward_forward"].item() == pytest.approx(
        1.234e-3 / 0.008, rel=1e-6
    )


def test_action_costs_as_given(hopper: Hopper) -> None:
    transition = Transition(standing(), torch.tensor([2.0, -3.0, 0.5]), standing(), torch.zeros(6))
    cost = hopper.reward_terms(transition)["reward_ctrl"].item()
    # The default weight of 1e-3 on 4 + 9 + 0.25, in float32.
    assert cost == pytest.approx(-13.25e-3, rel=1e-6)


def test_survival_is_paid_by_health_not_by_termination(hopper: Hopper) -> None:
    patient = Hopper(spec=hopper.spec, terminate_when_unhealthy=False)
    fallen = standing(("q", 1, 0.1))
    transition = Transition(standing(), torch.zeros(3), fallen, torch.zeros(6))
    assert not patient.terminated(fallen)
    assert patient.reward(transition) == 0
    assert patient.reward(Transition(fallen, torch.zeros(3), standing(), torch.zeros(6))) == 1


@pytest.mark.parametrize("scale", [0.0, 5e-3, 0.1])
def test_starts_fill_their_range(scale: float, hopper: Hopper) -> None:
    task = Hopper(spec=hopper.spec, reset_noise_scale=scale)
    start = task.initial_state(5000, torch.Generator().manual_seed(0), torch.float64)
    for noise in (start.q - torch.tensor(Q0, dtype=torch.float64), start.v):
        # 1e-15: rounding of 1.25 + noise. Of 5000 uniform draws the largest is below 0.99
        # of the end with probability 0.995^5000 = 1e-11.
        assert noise.abs().max() <= scale + 1e-15
        assert (noise.amax(0) >= 0.99 * scale).all()
        assert (noise.amin(0) <= -0.99 * scale).all()
