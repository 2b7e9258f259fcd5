"""Plan with the learned model, act in the real environment; compare with planning in MuJoCo.

    python benchmarks/planning.py                       # InvertedPendulum, Reacher, HalfCheetah
    python benchmarks/planning.py --task HalfCheetah --search mppi --episodes 3

At every real step the planner imagines `iterations` times `candidates` sequences of `horizon`
actions. "learned" imagines with every member of the shipped model. "MuJoCo" imagines with MuJoCo
itself (`mujoco.rollout`, all cores) and the task's own reward: no model could be better. The share
is (learned - random) / (MuJoCo - random). Episodes run side by side, and the planner imagines for
all of them in one batch.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from cells import lay_out
from rich.console import Console

from learned_envs import Simulation, registry
from learned_envs.collect.planner import real_returns
from learned_envs.evaluation.returns import episode_limit
from learned_envs.planning import CEM, MPPI, Planner, Returns, Search, imagined_returns
from learned_envs.state import State
from learned_envs.systems.reference import make_reference


@dataclass(frozen=True)
class Options:
    """Control real environments by planning."""

    task: tuple[str, ...] = ("InvertedPendulum", "Reacher", "HalfCheetah")
    """Names of the tasks."""
    search: Literal["cem", "mppi"] = "cem"
    """How to search."""
    horizon: int = 30
    """Steps that are imagined."""
    candidates: int = 64
    """Action sequences in one iteration."""
    iterations: int = 3
    """How many times candidates are drawn for one step."""
    caution: float = 0.0
    """How many standard deviations of the members' returns are taken off their mean."""
    episodes: int = 3
    """Real episodes of each."""
    steps: int | None = None
    """The most steps of an episode; the environment's own limit if not given."""
    seed: int = 0
    """Seeds the first episode."""
    json: Path | None = None
    """Where to write the figures as JSON."""

    @property
    def searching(self) -> Search:
        """The search."""
        kind = CEM if self.search == "cem" else MPPI
        return kind(horizon=self.horizon, candidates=self.candidates, iterations=self.iterations)


def control(options: Options, task: str, planner: Planner | None) -> list[float]:
    """Return the real returns of episodes under a planner, or under random actions if None."""
    envs = [make_reference(task) for _ in range(options.episodes)]
    limit = options.steps or episode_limit(task)
    totals, alive = [0.0] * len(envs), [True] * len(envs)
    for index, env in enumerate(envs):
        env.reset(seed=options.seed + index)
        env.action_space.seed(options.seed + index)
    if planner is not None:
        planner.reset()
    for _ in range(limit):
        if planner is None:
            actions = [env.action_space.sample() for env in envs]
        else:
            inner: list[Any] = [env.unwrapped for env in envs]
            q = torch.tensor(np.array([each.data.qpos for each in inner]))
            v = torch.tensor(np.array([each.data.qvel for each in inner]))
            actions = list(planner(State(q, v)).float().numpy())
        for index, (env, action) in enumerate(zip(envs, actions, strict=True)):
            if alive[index]:
                _, reward, terminated, truncated, _ = env.step(action)
                totals[index] += float(reward)
                alive[index] = not (terminated or truncated)
        if not any(alive):
            break
    for env in envs:
        env.close()
    return totals


def main(options: Options) -> None:
    console = Console(width=140)
    title = (
        f"{options.search}, {options.horizon} steps ahead, {options.iterations} times "
        f"{options.candidates} candidates: real returns, every episode, and their mean in brackets"
    )
    columns = ("task", "random", "learned", "minutes", "MuJoCo", "minutes", "share")
    rows, everything = [], {}
    for name in map(registry.task_of, options.task):
        simulation = Simulation.load(name)
        with closing(make_reference(name)) as env:
            env.reset(seed=0)
            models: dict[str, Returns | None] = {
                "random": None,
                "learned": imagined_returns(simulation, options.caution),
                "MuJoCo": real_returns(simulation.task, env),
            }
            figures: dict[str, Any] = {}
            for model, returns in models.items():
                planner = None
                if returns is not None:
                    spec = simulation.task.spec
                    planner = Planner(returns, spec, options.searching, options.seed)
                begin = time.monotonic()
                totals = control(options, name, planner)
                figures[model] = {"returns": totals, "minutes": (time.monotonic() - begin) / 60}
        mean = {model: float(np.mean(each["returns"])) for model, each in figures.items()}
        share = (mean["learned"] - mean["random"]) / (mean["MuJoCo"] - mean["random"])
        figures["share"] = share
        everything[name] = figures
        cells = [name]
        for model, average in mean.items():
            returned = " / ".join(f"{total:,.5g}" for total in figures[model]["returns"])
            cells.append(f"{returned} ({average:,.5g})")
            if model != "random":
                cells.append(f"{figures[model]['minutes']:.1f}")
        rows.append([*cells, f"{share:.0%}"])
        console.print(lay_out(title, columns, rows))
    if options.json is not None:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
