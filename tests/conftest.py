"""What several test folders share."""

from collections.abc import Callable
from contextlib import closing
from functools import cache

import pytest

from learned_envs.fit.reference import describe, make_reference
from learned_envs.state import SystemSpec


@cache
def _described(task: str) -> SystemSpec:
    with closing(make_reference(task)) as env:
        return describe(env)


@pytest.fixture(scope="session")
def spec() -> Callable[[str], SystemSpec]:
    """`spec(task)`: the system that a task's reference environment simulates."""
    return _described
