import math
from collections.abc import Callable

import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.half_cheetah import HalfCheetah
from learned_envs.tasks.task import Transition


@pytest.fixture
def cheetah(spec: Callable[[str], SystemSpec]) -> HalfCheetah:
    return HalfCheetah(spec=spec("HalfCheetah"))


def test_nothing_ends_an_episode(cheetah: HalfCheetah) -> None:
    # On its back, far below the ground, and lost.
    q = torch.zeros(3, 9)
    q[0, 2], q[1, 1], q[2, 1] = math.pi, -100.0, math.nan
    assert not cheetah.terminated(State(q, torch.full((3, 9), 1e3))).any()


def test_velocities_are_seen_as_they_are(cheetah: HalfCheetah) -> None:
    v = torch.linspace(-40.0, 40.0, 9)
    assert torch.equal(cheetah.observation(State(torch.zeros(9), v))[8:], v)


def test_pays_for_the_predicted_displacement_less_the_action_as_given(cheetah: HalfCheetah) -> None:
    state = State(torch.zeros(9), torch.zeros(9))
    displacement = torch.zeros(9)
    displacement[0] = 0.1
    terms = cheetah.reward_terms(Transition(state, torch.full((6,), 2.0), state, displacement))
    # 0.1 m in 0.05 s, and 0.1 on six times 2 squared, in float32.
    assert terms["reward_forward"].item() == pytest.approx(2.0, rel=1e-6)
    assert terms["reward_ctrl"].item() == pytest.approx(-2.4, rel=1e-6)
