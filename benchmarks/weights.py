"""Make the shipped weights again: record, record around what was recorded, fit.

    python benchmarks/weights.py HalfCheetah

leaves data in `data/halfcheetah` and the fit in `runs/halfcheetah`, and prints where to copy its
weights. It is seeded, and the same command goes on after a kill. `--until recorded` stops when all
is recorded that needs no fit, and `--until fitted` after the first fit; the same command without it
goes on from there. It does what the commands

    learned-envs collect TASK --steps STEPS --learners LEARNERS --out data/TASK
    learned-envs collect TASK --steps NEAR --learners 0 --out data/TASK --add
    learned-envs collect TASK --steps PLANNED --learners 0 --planners 4 --out data/TASK --add
    learned-envs fit TASK --data data/TASK --out runs/TASK

do, with the numbers of `RECIPES`. If agents trained inside are recorded too, the fits that they
were trained in lie in `runs/TASK-0`, `runs/TASK-1`, and so on. Each further fit is made from all
that is recorded by then. It begins anew or, if the recipe says so, trains the one before it
further.

The weights of a file that would be larger than a package should have are rounded to half precision,
and a quarter of its recorded starts is kept, in `runs/TASK/half.safetensors`. It is that file that
has to be measured and copied then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from cells import fit_or_resume
from tyro.conf import Positional

from learned_envs import registry
from learned_envs.checkpoint import FILE_NAME, load_checkpoint, save_checkpoint
from learned_envs.collect.planner import plan_outside
from learned_envs.dynamics.half import round_weights
from learned_envs.errors import UnknownNameError
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect
from learned_envs.fit.observer import Observer
from learned_envs.sb3 import AgentConfig, SavedAgent, learn_outside
from learned_envs.sb3.agent import AGENT_FILE
from learned_envs.terminal import Advance, bars
from learned_envs.transfer import train_inside


@dataclass(frozen=True)
class Recipe:
    """How a task's weights are made.

    Attributes:
        learners: agents that are recorded while they learn.
        steps: real steps, shared evenly between them and a random actor.
        near: further real steps of random actions, most from near recorded states.
        planned: further real steps, shared evenly between planners and a random actor.
        passes: how many times agents are trained inside a fit and recorded, and the model refitted.
        pass_steps: real steps of each pass, shared between a random actor and those agents.
        training: how the model is trained.
        onward: how each further fit trains the one before it further; None to begin anew.
        agents: how many agents are trained inside a fit in one pass.
        inside_steps: environment steps of each agent trained inside; as many as the task's agent
            takes if None.
        options: of the model family.
    """

    learners: int
    steps: int
    near: int = 0
    planned: int = 0
    passes: int = 0
    pass_steps: int = 1_500_000
    training: TrainingConfig = field(default_factory=TrainingConfig)
    onward: TrainingConfig | None = None
    agents: int = 4
    inside_steps: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


PLANNERS = 4
"""How many planners are recorded if a recipe has them."""

FIRST_SEED = 100
"""Seed of the first agent trained inside; the next has one more. Transfer uses small ones."""

LARGEST = 3_000_000
"""Bytes of a file of weights that is shipped, at most."""

STARTS = 1024
"""Recorded starts that a file keeps if it has to be small."""

Stage = Literal["recorded", "fitted", "shipped"]
"""How far to go."""

LONG = TrainingConfig(horizons=(2, 4, 8), updates=25_000)
MIDDLE = TrainingConfig(horizons=(2, 4, 8), updates=12_000)
ONWARD = TrainingConfig(horizons=(4, 8), updates=12_000)
SMALL = TrainingConfig(horizons=(2, 4, 8), updates=10_000)
NO_LIMITS = {"joint_limits": False}
# What a core trains in an hour.
FREE = TrainingConfig(horizons=(2, 4, 8), updates=10_000, members=2, first_step=4.0, compile=True)
SHORT = replace(FREE, updates=6_000)
# Many short windows: what is left to learn are rare, hard impacts.
FREE_ONWARD = replace(FREE, horizons=(2, 2, 2, 4), updates=14_000)
WIDE = {"hidden": (256, 256, 256)}
NARROW = {"hidden": (128, 128), **NO_LIMITS}

ANT = Recipe(
    3,
    1_600_000,
    300_000,
    passes=3,
    pass_steps=400_000,
    training=FREE,
    onward=FREE_ONWARD,
    agents=2,
    inside_steps=1_000_000,
    options={**WIDE, "substeps": 2},
)

RECIPES = {
    "InvertedPendulum": Recipe(
        4, 1_000_000, training=TrainingConfig(updates=10_000), options=NARROW
    ),
    "InvertedDoublePendulum": Recipe(4, 3_500_000, training=SMALL, options=NARROW),
    "Reacher": Recipe(3, 2_000_000, training=SMALL, options=NARROW),
    "Swimmer": Recipe(
        4,
        3_750_000,
        500_000,
        passes=2,
        pass_steps=1_000_000,
        training=MIDDLE,
        onward=ONWARD,
        options={"substeps": 2},
    ),
    "Hopper": Recipe(
        6,
        8_400_000,
        3_600_000,
        passes=2,
        training=TrainingConfig(horizons=(2, 4, 8), updates=20_000),
    ),
    "Walker2d": Recipe(6, 8_400_000, 1_800_000, passes=2, training=LONG),
    "HalfCheetah": Recipe(
        5,
        6_000_000,
        1_200_000,
        planned=1_500_000,
        passes=2,
        training=MIDDLE,
        onward=ONWARD,
        options={"substeps": 2},
    ),
    "Ant": ANT,
    "Humanoid": replace(ANT, steps=1_800_000, near=200_000, passes=1, options=WIDE),
    "HumanoidStandup": Recipe(2, 900_000, training=SHORT, options=WIDE),
    "Pusher": Recipe(3, 900_000, 300_000, training=SHORT, options={"substeps": 2}),
}


def main(task: Annotated[str, Positional], until: Stage = "shipped") -> None:
    """Make a task's weights.

    Args:
        task: name of the task.
        until: how far to go now.
    """
    if task not in RECIPES:
        raise UnknownNameError("task", task, RECIPES)
    recipe, data, out = RECIPES[task], Path("data") / task.lower(), Path("runs") / task.lower()
    with bars() as bar:
        learners = {f"ppo-{index}": learn_outside for index in range(recipe.learners)}
        dataset = record(bar("recording", recipe.steps), task, recipe.steps, data, drivers=learners)
        if recipe.near:
            record(bar("recording nearby", recipe.near), task, recipe.near, dataset)
        if recipe.planned:
            planners = {f"planner-{index}": plan_outside for index in range(PLANNERS)}
            advance = bar("recording planners", recipe.planned)
            record(advance, task, recipe.planned, dataset, drivers=planners)
        if until == "recorded":
            return
        before = None
        for number in range(recipe.passes):
            fitted = out.with_name(f"{out.name}-{number}")
            train(bar, task, dataset, recipe, fitted, before)
            before = fitted
            if until == "fitted":
                return
            first = FIRST_SEED + number * recipe.agents
            agents = {
                f"inside-{seed}": learn_inside(task, recipe, fitted, seed)
                for seed in range(first, first + recipe.agents)
            }
            advance = bar("recording agents from inside", recipe.pass_steps)
            record(advance, task, recipe.pass_steps, dataset, policies=agents)
        train(bar, task, dataset, recipe, out, before)
    print(f"wrote {out}; copy {shippable(out)} to {registry.shipped_weights(task)}")


def record(
    advance: Advance, task: str, steps: int, destination: Path | Dataset, **actors: Any
) -> Dataset:
    """Record real steps, except those that are recorded already."""

    def show(done: int) -> None:
        advance(done, f"{done:,} of {steps:,} steps")

    return collect(task, steps, destination, on_progress=show, **actors)


def train(
    bar: Callable[[str, int], Advance],
    task: str,
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    before: Path | None,
) -> None:
    """Fit a new model, or the one before, to what is recorded so far."""
    data = str(dataset.path)
    if before is None or recipe.onward is None:
        config = FitConfig(data=data, options=recipe.options, training=recipe.training)
    else:
        config = FitConfig(data=data, start=str(before), training=recipe.onward)
    advance = bar("training", config.training.updates)
    observer = Observer(trained=lambda progress, _: advance(progress.update, ""))
    fit_or_resume(task, out, config, observer=observer)


def learn_inside(task: str, recipe: Recipe, fitted: Path, seed: int) -> SavedAgent:
    """Train an agent inside a fit, whose errors it will find, unless it is there already."""
    folder = fitted / f"inside-{seed}"
    if not (folder / AGENT_FILE).exists():
        steps = recipe.inside_steps or AgentConfig.of(task).steps
        train_inside(task, steps, seed, fitted).save(folder)
    return SavedAgent(folder)


def shippable(fitted: Path) -> Path:
    """Return the file of a fit that is small enough to be shipped.

    Raises:
        SystemExit: if half precision does not make it so.
    """
    path = fitted / FILE_NAME
    if path.stat().st_size <= LARGEST:
        return path
    dynamics, card = load_checkpoint(path)
    if dynamics.starts is not None:
        # Each is a reset of its own, so the first ones are as good as any.
        dynamics.starts = dynamics.starts[:STARTS].clone()
    path = fitted / "half.safetensors"
    save_checkpoint(path, round_weights(dynamics), card)
    if (size := path.stat().st_size) > LARGEST:
        raise SystemExit(
            f"{path} has {size:,} bytes, expected at most {LARGEST:,}. Take fewer members or units."
        )
    return path


if __name__ == "__main__":
    tyro.cli(main)
