"""What tasks share."""

import math

import torch

from learned_envs.tasks.task import within, within_numbers


def test_bounds_as_numbers_are_those_in_a_tensor():
    low, high = [0.7, -0.2, -1.0, -1.0, -1.0], [math.inf, 0.2, 1.0, 1.0, 1.0]
    g = torch.Generator().manual_seed(0)
    values = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]) + 0.4 * torch.randn(500, 5, generator=g)
    values[0, 2], values[1, 0], values[2], values[3, 1] = math.nan, math.inf, 0.0, 0.2
    inside = within(values, low, high)
    assert torch.equal(within_numbers(values, low, high), inside)
    assert 0 < inside.sum() < len(inside)
    assert torch.equal(
        within_numbers(values[:10].reshape(2, 5, 5), low, high).flatten(), inside[:10]
    )
