"""What a training makes small."""

import pytest
import torch
from torch.testing import assert_close

from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.fit.loss import RolloutLoss


@pytest.fixture(scope="module")
def data(pendulum_data):
    return Trajectories.of(pendulum_data.load(), pendulum_data.spec)


@pytest.mark.parametrize("length", [1, 3])
def test_the_first_steps_squares_are_added(data, pendulum_data, length):
    torch.manual_seed(0)
    model = Ensemble(SecondOrder(hidden=(8,)), pendulum_data.spec, 2)
    window = data.window(data.draw((2, 16), length, torch.Generator().manual_seed(0)), length)
    flat = data.window(data.draw((64,), 1, torch.Generator().manual_seed(1)), 1)
    losses = {
        weight: RolloutLoss(model, flat.start, flat.after(1), first_step=weight)
        for weight in (0.0, 2.0)
    }
    reached = model.step_members(window.start, window.actions[..., 0, :]).state
    recorded = window.after(1)
    change = torch.cat([reached.q - recorded.q, reached.v - recorded.v], -1)
    square = (change / losses[0.0].unit).square().mean()
    assert_close(losses[2.0](window) - losses[0.0](window), 2 * square, rtol=1e-4, atol=1e-6)
