"""Modules of users, as tests write them: what they register is forgotten afterwards."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    forget_others(ids)


def forget_others(known: Mapping[str, Any]) -> None:
    """Forget the ids that came since; those of modules that stay, which register them once, stay.

    Args:
        known: Gymnasium's registry as it was.
    """
    for id, spec in list(gym.registry.items()):
        made = spec.entry_point
        module = made.partition(":")[0] if isinstance(made, str) else made.__module__
        if id not in known and (id.startswith("LearnedSim-") or module not in sys.modules):
            del gym.registry[id]
    gym.registry.update(known)
