"""From real MuJoCo to a model: collect, train, evaluate.

The public names below are imported when they are first asked for, so that the settings in
`learned_envs.fit.config` can be read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learned_envs.collect.collection import collect
    from learned_envs.data.dataset import Dataset
    from learned_envs.evaluation.evaluation import evaluate
    from learned_envs.fit.config import FitConfig, TrainingConfig
    from learned_envs.fit.run import fit
    from learned_envs.fit.training import train

__all__ = ["Dataset", "FitConfig", "TrainingConfig", "collect", "evaluate", "fit", "train"]

_HOMES = {
    "Dataset": "data.dataset",
    "FitConfig": "fit.config",
    "TrainingConfig": "fit.config",
    "collect": "collect.collection",
    "evaluate": "evaluation.evaluation",
    "fit": "fit.run",
    "train": "fit.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"learned_envs.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
