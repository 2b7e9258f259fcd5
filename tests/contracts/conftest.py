"""Every model family with every system that families are tested with."""

import pytest
import torch
from families import CASES, spec_of, transitions

from learned_envs.registry import family_class


@pytest.fixture
def seeded():
    """Untrained models have rare weights that magnify rounding: let them be the same each time."""
    torch.manual_seed(0)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def config(case):
    return family_class(case[0])(hidden=(16, 16))


@pytest.fixture
def data(case):
    described = spec_of(case[1])
    return described, *transitions(described, 256)
