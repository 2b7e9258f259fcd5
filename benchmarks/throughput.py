"""How many environment steps a second?

The learned environment behind each of its faces, with and without disagreement, beside the real
one: `gym.make`, `gym.make_vec` (sync and async, 2 and 16 environments) and, where it is
installed, EnvPool. Random actions; each cell is the median of a few windows after a warm-up, all
in one run on one machine.

    python benchmarks/throughput.py                  # about two minutes
    python benchmarks/throughput.py --task InvertedPendulum --seconds 0.5 --json throughput.json
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, catalogue
from learned_envs.sb3 import make_vec_env

REPEATS = 3
"""Windows in a cell; the median is taken."""

LEARNED_ENVS = (1, 64, 1024, 16384)
REAL_ENVS = (2, 16)

Stepper = Callable[[], object]
"""Takes one step of all environments."""


@dataclass(frozen=True)
class Options:
    """Measure environment steps per second."""

    task: str = "Hopper"
    """The catalogue's name of the task."""
    seconds: float = 1.0
    """Time for each cell."""
    checkpoint: Path | None = None
    """Weights or a fit's folder; the shipped weights by default."""
    device: str = "cpu"
    """Where the learned environment runs."""
    json: Path | None = None
    """Where to write the figures as JSON."""


@dataclass(frozen=True)
class Cell:
    """One figure: what was stepped, how many at once, environment steps per second."""

    name: str
    envs: int
    speed: float


def measure(step: Stepper, envs: int, seconds: float) -> float:
    """Return environment steps per second, the median of a few windows."""
    begin = time.perf_counter()
    step()
    while time.perf_counter() - begin < seconds / 5:
        step()
    speeds = []
    for _ in range(REPEATS):
        begin, count = time.perf_counter(), 0
        while (taken := time.perf_counter() - begin) < seconds / REPEATS:
            step()
            count += 1
        speeds.append(count * envs / taken)
    return statistics.median(speeds)


def random_actions(space: gym.spaces.Box, envs: int | None) -> Iterator[np.ndarray]:
    """Cycle through actions that were drawn beforehand: drawing them is not what is measured."""
    shape = (16, *space.shape) if envs is None else (16, envs, *space.shape)
    drawn = np.random.default_rng(0).uniform(space.low, space.high, shape)
    return cycle(drawn.astype(np.float32))


@contextmanager
def simulation(options: Options, envs: int, disagreement: bool) -> Iterator[Stepper]:
    loaded = Simulation.load(options.checkpoint or options.task, options.device)
    drawn = random_actions(loaded.task.action_space, envs)
    actions = cycle([torch.from_numpy(next(drawn)).to(loaded.device) for _ in range(16)])
    start = loaded.reset(envs)
    state, age = start, 0

    @torch.no_grad()
    def step() -> None:
        nonlocal state, age
        # Nothing resets a bare simulation; begun anew, its states stay what episodes look like.
        state, age = (start, 0) if age == 50 else (state, age + 1)
        state = loaded.step(state, next(actions), disagreement).state
        if loaded.device.type == "cuda":
            torch.cuda.synchronize()

    yield step


@contextmanager
def vector_env(made: Any, space: Any, tensors: bool = False) -> Iterator[Stepper]:
    """Step anything with Gymnasium's vector interface."""
    with closing(made):
        made.reset(seed=0)
        actions = random_actions(space, made.num_envs)
        if tensors:
            device = made.unwrapped.state.q.device
            actions = cycle([torch.from_numpy(next(actions)).to(device) for _ in range(16)])
        yield lambda: made.step(next(actions))


@contextmanager
def single_env(env_id: str, **arguments: Any) -> Iterator[Stepper]:
    with closing(gym.make(env_id, **arguments)) as env:
        env.reset(seed=0)
        actions = random_actions(env.action_space, None)

        def step() -> None:
            _, _, terminated, truncated, _ = env.step(next(actions))
            if terminated or truncated:
                env.reset()

        yield step


@contextmanager
def sb3_env(task: str, envs: int, arguments: dict[str, Any]) -> Iterator[Stepper]:
    with closing(make_vec_env(task, envs, 0, arguments)) as made:
        made.reset()
        actions = random_actions(made.action_space, envs)
        yield lambda: made.step(next(actions))


def learned_cells(options: Options) -> Iterator[Cell]:
    env_id, common = (
        catalogue.env_id(options.task),
        {"checkpoint": options.checkpoint, "device": options.device},
    )
    for label, cut in (("", {}), (", max_disagreement=None", {"max_disagreement": None})):
        arguments = {**common, **cut}

        def cell(name: str, envs: int, made: Any, label: str = label) -> Cell:
            with made as step:
                return Cell(f"learned {name}{label}", envs, measure(step, envs, options.seconds))

        yield cell("gym.make", 1, single_env(env_id, **arguments))
        for envs in LEARNED_ENVS:
            yield cell("Simulation.step", envs, simulation(options, envs, disagreement=not cut))
            for tensors in (False, True):
                made = gym.make_vec(env_id, num_envs=envs, tensors=tensors, **arguments)
                name = "gym.make_vec, tensors" if tensors else "gym.make_vec"
                stepper = vector_env(made, made.unwrapped.single_action_space, tensors)
                yield cell(name, envs, stepper)
            yield cell("SB3 VecEnv", envs, sb3_env(options.task, envs, arguments))


def real_cells(options: Options) -> Iterator[Cell]:
    env_id = catalogue.reference_id(options.task)
    with single_env(env_id) as step:
        yield Cell("real gym.make", 1, measure(step, 1, options.seconds))
    # A child forked from a process that has used torch's threads deadlocks.
    modes: dict[str, dict[str, Any]] = {"sync": {}, "async": {"context": "forkserver"}}
    for mode, extra in modes.items():
        for envs in REAL_ENVS:
            made = gym.make_vec(env_id, envs, vectorization_mode=mode, vector_kwargs=extra)
            with vector_env(made, made.single_action_space) as step:
                speed = measure(step, envs, options.seconds)
            yield Cell(f"real gym.make_vec, {mode}", envs, speed)


def envpool_cells(options: Options) -> Iterator[Cell]:
    import envpool

    env_id = catalogue.reference_id(options.task)
    for envs in (*REAL_ENVS, 64):
        made = envpool.make_gymnasium(env_id, num_envs=envs, num_threads=min(envs, cores()))
        made.reset()
        actions = random_actions(made.action_space, envs)
        speed = measure(lambda m=made, a=actions: m.step(next(a)), envs, options.seconds)
        made.close()
        yield Cell("real EnvPool", envs, speed)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lay_out(options: Options, cells: list[Cell], best: Cell) -> Table:
    table = Table(
        title=f"{options.task}: environment steps per second (times the best real gym.make_vec)",
        caption=f"best real gym.make_vec: {best.name.removeprefix('real ')}, {best.envs} "
        f"environments, {best.speed:,.0f}/s. {cores()} cores, {torch.get_num_threads()} torch "
        f"threads, learned environments on {options.device}. `gym.make_vec` and SB3 return numpy.",
    )
    counts = sorted({cell.envs for cell in cells})
    table.add_column("environments at once")
    for count in counts:
        table.add_column(f"{count:,}", justify="right")
    speeds = {(cell.name, cell.envs): cell.speed for cell in cells}
    for name in dict.fromkeys(cell.name for cell in cells):
        row = [speeds.get((name, count)) for count in counts]
        table.add_row(name, *("" if s is None else f"{s:,.0f} ({s / best.speed:.3g})" for s in row))
    return table


def main(options: Options) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    cells = []
    with console.status("measuring"):
        # The real ones first: their processes start from one that holds nothing yet.
        cells += real_cells(options)
        best = max((c for c in cells if "make_vec" in c.name), key=lambda c: c.speed)
        try:
            cells += envpool_cells(options)
        except ImportError:
            console.print("EnvPool is not installed: pip install envpool to see it beside.")
        cells += learned_cells(options)
    console.print(lay_out(options, cells, best))
    single = {cell.name: cell.speed for cell in cells if cell.envs == 1}
    for name in ("learned gym.make", "learned gym.make, max_disagreement=None"):
        ratio = single[name] / single["real gym.make"]
        console.print(f"{name}: {ratio:.2f} times the steps of one real environment.")
    if options.json is not None:
        options.json.write_text(json.dumps([vars(cell) for cell in cells], indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
