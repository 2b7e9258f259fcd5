"""A collection that several tests look at, and a way to make many small pieces of one."""

import pytest
from policies import Still

from learned_envs.collect import collection
from learned_envs.collect.collection import collect


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(collection, "CHUNK_STEPS", 200)


@pytest.fixture(scope="session")
def hopper(tmp_path_factory):
    path = tmp_path_factory.mktemp("collection") / "hopper"
    return collect("Hopper", 6000, path, policies={"still": Still()}, workers=1)
