"""Modules of users, as tests write them: what they register is forgotten afterwards."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import pytest

from learned_envs import registry


@contextmanager
def users_module(folder: Path, name: str, text: str) -> Iterator[str]:
    """Write a module that can be imported, here and in processes that start."""
    (folder / f"{name}.py").write_text(text)
    ids = dict(gym.registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for table in ("TASKS", "FAMILIES", "IMPROVERS"):
            patch.setattr(registry, table, dict(getattr(registry, table)))
        yield name
    sys.modules.pop(name, None)
    gym.registry.clear()
    gym.registry.update(ids)
