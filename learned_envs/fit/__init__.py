"""From real MuJoCo to a model: collect, train, evaluate.

The public names below are imported when they are first asked for, so that the settings in
`learned_envs.fit.config` can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from learned_envs.lazy import exports

if TYPE_CHECKING:
    from learned_envs.collect.collection import collect
    from learned_envs.data.dataset import Dataset
    from learned_envs.evaluation.evaluation import evaluate
    from learned_envs.fit.config import FitConfig, TrainingConfig
    from learned_envs.fit.run import fit
    from learned_envs.fit.training import train

__all__ = ["Dataset", "FitConfig", "TrainingConfig", "collect", "evaluate", "fit", "train"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Dataset": "learned_envs.data.dataset",
        "FitConfig": "learned_envs.fit.config",
        "TrainingConfig": "learned_envs.fit.config",
        "collect": "learned_envs.collect.collection",
        "evaluate": "learned_envs.evaluation.evaluation",
        "fit": "learned_envs.fit.run",
        "train": "learned_envs.fit.training",
    },
)
