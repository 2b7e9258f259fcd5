"""A small dataset of made-up episodes."""

import pytest
from episodes import make_episode

from learned_envs.data.dataset import Dataset
from learned_envs.systems.reference import describe, make_reference


@pytest.fixture(scope="session")
def spec():
    env = make_reference("Hopper")
    yield describe(env)
    env.close()


@pytest.fixture
def episodes(spec):
    lengths = (5, 1, 12, 7, 3)
    return [
        make_episode(spec, length, seed, ("random", "agent:a")[seed % 2], bool(seed % 3))
        for seed, length in enumerate(lengths)
    ]


@pytest.fixture
def dataset(tmp_path, spec, episodes):
    dataset = Dataset.create(tmp_path / "data", "Hopper", spec)
    dataset.append(episodes[:3])
    dataset.append(episodes[3:], {"round": 1})
    return dataset
