"""Make the shipped weights again: record, record around what was recorded, fit.

    python benchmarks/weights.py HalfCheetah

leaves data in `data/halfcheetah` and the fit in `runs/halfcheetah`, and prints where its weights
are to be copied. It is seeded, and goes on where it was killed. What it does is what the commands

    learned-envs collect TASK --steps STEPS --learners LEARNERS --out data/TASK
    learned-envs collect TASK --steps NEAR --learners 0 --out data/TASK --add
    learned-envs fit TASK --data data/TASK --out runs/TASK

do, with the numbers of `RECIPES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from learned_envs import catalogue
from learned_envs.errors import UnknownNameError
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit
from learned_envs.fit.observer import Observer
from learned_envs.fit.run import CONFIG_FILE
from learned_envs.sb3 import learn_outside
from learned_envs.terminal import bars


@dataclass(frozen=True)
class Recipe:
    """How a task's weights are made.

    Attributes:
        learners: agents that are recorded while they learn.
        steps: real steps, shared evenly between them and a random actor.
        near: real steps more of random actions, most from near recorded states.
        training: how the model is trained.
        options: of the model family.
    """

    learners: int
    steps: int
    near: int = 0
    training: TrainingConfig = field(default_factory=TrainingConfig)
    options: dict[str, Any] = field(default_factory=dict)


LARGE = TrainingConfig(horizons=(2, 4, 8))
SMALL = TrainingConfig(horizons=(2, 4, 8), updates=10_000)
NARROW = {"hidden": (128, 128)}

RECIPES = {
    "InvertedPendulum": Recipe(4, 1_000_000, 0, TrainingConfig(updates=10_000), NARROW),
    "InvertedDoublePendulum": Recipe(4, 3_500_000, 0, SMALL, NARROW),
    "Reacher": Recipe(3, 2_000_000, 0, SMALL, NARROW),
    "Swimmer": Recipe(4, 3_750_000, 0, SMALL, NARROW),
    "Hopper": Recipe(6, 8_400_000, 3_600_000),
    "Walker2d": Recipe(6, 8_400_000, 1_800_000, LARGE),
    "HalfCheetah": Recipe(6, 8_400_000, 1_800_000, LARGE),
}


def main(task: Annotated[str, Positional]) -> None:
    """Make a task's weights.

    Args:
        task: name of the task.
    """
    if task not in RECIPES:
        raise UnknownNameError("task", task, RECIPES)
    recipe = RECIPES[task]
    data, out = Path("data") / task.lower(), Path("runs") / task.lower()
    with bars() as bar:
        recording = bar("recording", recipe.steps)
        dataset = collect(
            task,
            recipe.steps,
            data,
            learners={f"ppo-{index}": learn_outside for index in range(recipe.learners)},
            on_progress=lambda done: recording(done, f"{done:,} steps"),
        )
        if recipe.near:
            adding = bar("recording nearby", recipe.near)
            collect(
                task,
                recipe.near,
                Dataset.open(dataset.path),
                on_progress=lambda done: adding(done, f"{done:,} steps"),
            )
        training = bar("training", recipe.training.updates)
        fit(
            task,
            out,
            FitConfig(data=str(data), options=recipe.options, training=recipe.training),
            resume=(out / CONFIG_FILE).exists(),
            observer=Observer(trained=lambda progress, _: training(progress.update, "")),
        )
    print(f"wrote {out}; copy its model.safetensors to {catalogue.shipped_weights(task)}")


if __name__ == "__main__":
    tyro.cli(main)
