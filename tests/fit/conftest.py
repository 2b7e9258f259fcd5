"""A little recorded data that several tests of the fit learn from."""

import pytest

from learned_envs.fit import Dataset, collect


@pytest.fixture(scope="session")
def pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """4000 steps of a random actor."""
    return collect("InvertedPendulum", 4000, tmp_path_factory.mktemp("data") / "d", workers=1)


@pytest.fixture(scope="session")
def double_pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """6000 steps of a random actor, who drives the cart against the rail's ends."""
    return collect("InvertedDoublePendulum", 6000, tmp_path_factory.mktemp("data") / "d", workers=1)
