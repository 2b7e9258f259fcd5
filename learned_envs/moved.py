"""Modules under the names that they had up to 0.1, for imports that are older than their rooms."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "learned_envs.deprecation": "learned_envs.systems.reference",
    "learned_envs.fit.collection": "learned_envs.collect.collection",
    "learned_envs.fit.dataset": "learned_envs.data.dataset",
    "learned_envs.fit.evaluation": "learned_envs.evaluation.evaluation",
    "learned_envs.fit.minari_exchange": "learned_envs.data.minari",
    "learned_envs.fit.planner": "learned_envs.collect.planner",
    "learned_envs.fit.recorder": "learned_envs.collect.recorder",
    "learned_envs.fit.recording": "learned_envs.data.recording",
    "learned_envs.fit.reference": "learned_envs.systems.reference",
    "learned_envs.fit.report": "learned_envs.evaluation.report",
    "learned_envs.fit.shard": "learned_envs.data.shard",
    "learned_envs.fit.trajectories": "learned_envs.data.trajectories",
    "learned_envs.fit.workers": "learned_envs.workers",
}


class OldNames(MetaPathFinder, Loader):
    """Imports a module by the name that it had, with a `DeprecationWarning`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for what has moved, and for nothing else."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module itself in the place of its old name."""
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} is {new} now.", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


def find_by_old_names() -> None:
    """Let imports by old names find what has moved; other imports never get so far."""
    sys.meta_path.append(OldNames())
