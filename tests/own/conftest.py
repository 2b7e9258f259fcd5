"""Fits of a user's environment, each by one command and too short to be good."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from leg import LEG
from small import SMALL
from users import users_module

from learned_envs.cli import main


@pytest.fixture(scope="session")
def leg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a user's environment, whose module can be imported."""
    with users_module(tmp_path_factory.mktemp("users"), "my_leg", LEG) as name:
        yield f"{name}:Leg-v0"


@pytest.fixture(scope="session")
def run(leg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one command leaves."""
    folder = tmp_path_factory.mktemp("runs") / "leg"
    assert main(["fit", leg, "--out", str(folder), *SMALL]) == 0
    return folder
