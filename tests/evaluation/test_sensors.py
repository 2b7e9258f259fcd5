"""How close predicted readings are."""

import pytest
import torch

from learned_envs.evaluation.sensors import figures_of


def test_the_error_is_a_share_of_the_variance():
    read = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1, 50]
    )
    assert figures_of(read, torch.zeros_like(read), None).error == pytest.approx(1, abs=0.01)
    assert figures_of(read, read, None).error == 0


def test_a_number_that_hardly_varies_beside_the_others_says_nothing():
    read = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0))
    # One touch in ten thousand steps, and a prediction that is off by as much as the other varies.
    read[:, 1] = 0.0
    read[0, 1] = 0.01
    predicted = torch.stack([torch.zeros(10_000), torch.ones(10_000)], -1)
    assert figures_of(read, predicted, None).error == pytest.approx(1, abs=0.05)


def test_what_does_not_vary_has_no_figures():
    assert figures_of(torch.zeros(100, 3), torch.ones(100, 3), None) is None
