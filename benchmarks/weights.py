"""Make the shipped weights again: record, record around what was recorded, fit.

    python benchmarks/weights.py HalfCheetah

leaves data in `data/halfcheetah` and the fit in `runs/halfcheetah`, and prints where its weights
are to be copied. It is seeded, and goes on where it was killed. But for planners and agents trained
inside, it does what the commands

    learned-envs collect TASK --steps STEPS --learners LEARNERS --out data/TASK
    learned-envs collect TASK --steps NEAR --learners 0 --out data/TASK --add
    learned-envs fit TASK --data data/TASK --out runs/TASK

do, with the numbers of `RECIPES`. A planner's actions lead where no agent goes. Where planners are
recorded they search in MuJoCo itself, and some of the sequences that they consider are followed
from every state that they come to; what they simulate to choose is neither recorded nor counted.
Where agents trained inside are recorded, the fits that they were trained in lie in `runs/TASK-0`,
`runs/TASK-1`, and so on; each further fit begins anew, on all that is recorded by then, unless the
recipe says that the last one goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from planning import real_returns
from torch import Tensor
from tyro.conf import Positional

from learned_envs import catalogue
from learned_envs.checkpoint import FILE_NAME
from learned_envs.errors import UnknownNameError
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit
from learned_envs.fit.observer import Observer
from learned_envs.fit.reference import describe
from learned_envs.fit.run import CONFIG_FILE
from learned_envs.planning import CEM, Planner
from learned_envs.sb3 import AgentConfig, SavedAgent, learn_outside
from learned_envs.sb3.agent import AGENT_FILE
from learned_envs.state import State
from learned_envs.terminal import Advance, bars
from learned_envs.transfer import train_inside


@dataclass(frozen=True)
class Recipe:
    """How a task's weights are made.

    Attributes:
        learners: agents that are recorded while they learn.
        steps: real steps, shared evenly between them and a random actor.
        near: real steps more of random actions, most from near recorded states.
        planned: real steps more of planners, and of a random actor as many as one of them takes.
        passes: how often agents are trained inside a fit and recorded, and the model fitted anew.
        inside: real steps of each pass, shared between a random actor and those agents.
        training: how the model is trained.
        onward: how the last fit trains the one before it on; None to begin anew.
        options: of the model family.
    """

    learners: int
    steps: int
    near: int = 0
    planned: int = 0
    passes: int = 0
    inside: int = 1_500_000
    training: TrainingConfig = field(default_factory=TrainingConfig)
    onward: TrainingConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)


PLANNERS = 4
"""How many are recorded where a recipe has them."""

PLANNED_STEPS = 200
"""After which a planner starts anew."""

CONSIDERED = 8
"""Sequences of actions that are recorded from a state that a planner comes to."""

AGENTS = 4
"""How many are trained inside a fit in one pass."""

FIRST_SEED = 100
"""Of the first agent trained inside; each further one's is one more. Transfer uses small ones."""

LONG = TrainingConfig(horizons=(2, 4, 8), updates=25_000)
MIDDLE = TrainingConfig(horizons=(2, 4, 8), updates=15_000)
SMALL = TrainingConfig(horizons=(2, 4, 8), updates=10_000)
NO_LIMITS = {"joint_limits": False}
NARROW = {"hidden": (128, 128), **NO_LIMITS}

RECIPES = {
    "InvertedPendulum": Recipe(
        4, 1_000_000, training=TrainingConfig(updates=10_000), options=NARROW
    ),
    "InvertedDoublePendulum": Recipe(4, 3_500_000, training=SMALL, options=NARROW),
    "Reacher": Recipe(3, 2_000_000, training=SMALL, options=NARROW),
    "Swimmer": Recipe(2, 2_250_000, 500_000, passes=1, inside=1_000_000, training=MIDDLE),
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
        1_500_000,
        1,
        training=TrainingConfig(horizons=(2, 4, 8), updates=12_000),
        onward=TrainingConfig(horizons=(4, 8), updates=12_000),
        options={"substeps": 2},
    ),
}


def main(task: Annotated[str, Positional]) -> None:
    """Make a task's weights.

    Args:
        task: name of the task.
    """
    if task not in RECIPES:
        raise UnknownNameError("task", task, RECIPES)
    recipe, data, out = RECIPES[task], Path("data") / task.lower(), Path("runs") / task.lower()
    with bars() as bar:
        learners = {f"ppo-{index}": learn_outside for index in range(recipe.learners)}
        dataset = record(
            bar("recording", recipe.steps), task, recipe.steps, data, learners=learners
        )
        if recipe.near:
            record(bar("recording nearby", recipe.near), task, recipe.near, dataset)
        if recipe.planned:
            planners = {f"planner-{index}": plan_outside for index in range(PLANNERS)}
            advance = bar("recording planners", recipe.planned)
            record(advance, task, recipe.planned, dataset, learners=planners)
        before = None
        for number in range(recipe.passes):
            fitted = out.with_name(f"{out.name}-{number}")
            train(bar("training", recipe.training.updates), task, dataset, recipe, fitted)
            before = fitted
            first = FIRST_SEED + number * AGENTS
            agents = {
                f"inside-{seed}": learn_inside(task, fitted, seed)
                for seed in range(first, first + AGENTS)
            }
            advance = bar("recording agents from inside", recipe.inside)
            record(advance, task, recipe.inside, dataset, policies=agents)
        if recipe.onward is not None:
            recipe = replace(recipe, training=recipe.onward, options={})
        else:
            before = None
        train(bar("training", recipe.training.updates), task, dataset, recipe, out, before)
    print(f"wrote {out}; copy its {FILE_NAME} to {catalogue.shipped_weights(task)}")


def record(
    advance: Advance, task: str, steps: int, destination: Path | Dataset, **actors: Any
) -> Dataset:
    """Record real steps; what is recorded already is not recorded again."""

    def show(done: int) -> None:
        advance(done, f"{done:,} of {steps:,} steps")

    return collect(task, steps, destination, on_progress=show, **actors)


def train(
    advance: Advance,
    task: str,
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    before: Path | None = None,
) -> None:
    """Fit the model to what is recorded so far: a new one, or the one before."""
    config = FitConfig(
        data=str(dataset.path),
        options=recipe.options,
        start=None if before is None else str(before),
        training=recipe.training,
    )
    observer = Observer(trained=lambda progress, _: advance(progress.update, ""))
    fit(task, out, config, resume=(out / CONFIG_FILE).exists(), observer=observer)


def plan_outside(
    task: str, make_env: Callable[[], gym.Env[Any, Any]], steps: int, seed: int
) -> None:
    """Plan in MuJoCo for the sake of what is recorded on the way; a `Learner` of `collect`."""
    rng = np.random.default_rng(seed)
    with closing(make_env()) as env, closing(make_env()) as aside:
        base: Any = env.unwrapped
        spec = describe(env)
        search = CEM(horizon=30, candidates=32, iterations=2, elites=6)
        considered: list[Tensor] = []
        pays = real_returns(catalogue.task_class(task).create(spec, {}), env)

        def returns(state: State, actions: Tensor) -> Tensor:
            considered[:] = actions[0]
            return pays(state, actions)

        planner = Planner(returns, spec, search, seed)
        taken = 0
        while taken < steps:
            env.reset(seed=int(rng.integers(2**31)))
            planner.reset()
            for _ in range(PLANNED_STEPS):
                q, v = base.data.qpos.copy(), base.data.qvel.copy()
                action = planner(State(torch.from_numpy(q)[None], torch.from_numpy(v)[None]))
                for index in rng.choice(search.candidates, CONSIDERED, replace=False):
                    aside.reset()
                    aside.get_wrapper_attr("set_state")(q, v)
                    for each in considered[index].numpy():
                        ended = aside.step(each)[2]
                        taken += 1
                        if ended:
                            break
                ended = env.step(action[0].numpy())[2]
                taken += 1
                if ended or taken >= steps:
                    break


def learn_inside(task: str, fitted: Path, seed: int) -> SavedAgent:
    """Train an agent inside a fit, whose errors it will find, unless it is there already."""
    folder = fitted / f"inside-{seed}"
    if not (folder / AGENT_FILE).exists():
        train_inside(task, AgentConfig.of(task).steps, seed, fitted).save(folder)
    return SavedAgent(folder)


if __name__ == "__main__":
    tyro.cli(main)
