import math
from collections.abc import Callable

import pytest
import torch

from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.swimmer import Swimmer
from learned_envs.tasks.task import Transition


@pytest.fixture
def swimmer(spec: Callable[[str], SystemSpec]) -> Swimmer:
    return Swimmer(spec=spec("Swimmer"))


def test_nothing_ends_an_episode(swimmer: Swimmer) -> None:
    q = torch.tensor([[1e6] * 5, [math.nan] * 5])
    assert not swimmer.terminated(State(q, torch.full((2, 5), 1e3))).any()


def test_only_motion_along_x_is_paid(swimmer: Swimmer) -> None:
    state = State(torch.zeros(5), torch.zeros(5))
    displacement = torch.tensor([0.04, 0.08, 1.0, 1.0, 1.0])
    transition = Transition(state, torch.tensor([2.0, -1.0]), state, displacement)
    info = swimmer.info(transition)
    # 0.04 m and 0.08 m in 0.04 s, and 1e-4 on 4 + 1, in float32.
    assert info["x_velocity"].item() == pytest.approx(1.0, rel=1e-6)
    assert info["y_velocity"].item() == pytest.approx(2.0, rel=1e-6)
    assert swimmer.reward(transition).item() == pytest.approx(1.0 - 5e-4, rel=1e-6)


def test_hidden_travel_is_told_in_the_info(swimmer: Swimmer) -> None:
    state = State(torch.tensor([3.0, -4.0, 0.1, 0.2, 0.3]), torch.zeros(5))
    # The observation begins with the first link's angle.
    assert swimmer.observation(state)[:3].tolist() == pytest.approx([0.1, 0.2, 0.3])
    info = {name: value.item() for name, value in swimmer.reset_info(state).items()}
    assert info == {"x_position": 3.0, "y_position": -4.0, "distance_from_origin": 5.0}
