"""From real MuJoCo to a model: collect, train, evaluate.

The public names below are imported when they are first asked for, so that the settings in
`learned_envs.fit.config` can be read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learned_envs.fit.collection import collect
    from learned_envs.fit.config import FitConfig, TrainingConfig
    from learned_envs.fit.dataset import Dataset
    from learned_envs.fit.evaluation import evaluate
    from learned_envs.fit.run import fit
    from learned_envs.fit.training import train

__all__ = ["Dataset", "FitConfig", "TrainingConfig", "collect", "evaluate", "fit", "train"]

_HOMES = {
    "Dataset": "dataset",
    "FitConfig": "config",
    "TrainingConfig": "config",
    "collect": "collection",
    "evaluate": "evaluation",
    "fit": "run",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
