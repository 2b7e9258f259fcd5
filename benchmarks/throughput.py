"""How many environment steps a second?

The learned environment behind each of its faces, uncompiled, compiled, and compiled in bfloat16,
with and without disagreement, beside what a user would pick instead: the real `gym.make`,
`gym.make_vec` (sync and async, 2 and 16 environments), `mujoco.rollout` on all cores and, where it
is installed, EnvPool. Random actions; each cell is the median of a few windows after a warm-up, all
in one run on one machine. Beside it stands how fast the matrix products of the model's own layers
alone would be, and what compiling and bfloat16 do to the error of rollouts.

    python benchmarks/throughput.py                  # about ten minutes
    python benchmarks/throughput.py --task HalfCheetah --envs 4096 --json throughput.json
    python benchmarks/throughput.py --checkpoint runs/hopper
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import mujoco.rollout
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, catalogue
from learned_envs.dynamics.ensemble import CACHED_ROWS
from learned_envs.dynamics.network import MLP
from learned_envs.fit import collect, evaluate
from learned_envs.sb3 import make_vec_env

HORIZONS = (1, 5, 10, 20)
"""Steps after which errors of rollouts are told."""

REPEATS = 3
"""Windows in a cell; the median is taken."""

REAL_ENVS = (2, 16)

ROLLOUTS = 64
"""Rollouts at once of `mujoco.rollout`, and steps of each."""

CEILING = "matrix products of its layers alone"

ENGINES: dict[str, dict[str, Any]] = {
    "": {},
    ", compiled": {"compile": True},
    ", compiled, bfloat16": {"compile": True, "precision": "bfloat16"},
}
"""How the learned environment can be stepped, beside as it comes."""

CUTS: dict[str, dict[str, Any]] = {"": {}, ", max_disagreement=None": {"max_disagreement": None}}

BUSY = 0.5
"""Average load from which other work would disturb the figures."""

Stepper = Callable[[], object]
"""Takes one step of all environments."""


@dataclass(frozen=True)
class Options:
    """Measure environment steps per second."""

    task: str = "Hopper"
    """The catalogue's name of the task."""
    envs: tuple[int, ...] = (1, 64, 1024, 4096, 16_384, 65_536)
    """Learned environments at once."""
    seconds: float = 1.0
    """Time for each cell."""
    checkpoint: str | None = None
    """Weights or a fit's folder; the shipped weights by default."""
    device: str = "cpu"
    """Where the learned environment runs."""
    force: bool = False
    """Measure beside other work too."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plot: Path | None = None
    """Where to draw speed over the number of environments."""


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
def simulation(loaded: Simulation, envs: int, disagreement: bool) -> Iterator[Stepper]:
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


@torch.no_grad()
def ceiling(loaded: Simulation, envs: int, seconds: float) -> float:
    """Return how many rows a second pass through the products of one member's layers alone."""
    network = next(m for m in loaded.dynamics.modules() if isinstance(m, MLP))
    weights = [layer.weight[0] for layer in network.layers]
    first = torch.randn(envs, len(weights[0]), device=loaded.device)

    def step() -> None:
        for rows in first.split(CACHED_ROWS):
            for weight in weights:
                rows = rows @ weight

    return measure(step, envs, seconds)


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
        # Each member of an ensemble is got ready at its first episode.
        for seed in range(20):
            env.reset(seed=seed)
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
    env_id = catalogue.env_id(options.task)
    common = {"checkpoint": options.checkpoint, "device": options.device}
    plain = Simulation.load(options.checkpoint or options.task, options.device)
    for envs in options.envs:
        yield Cell(CEILING, envs, ceiling(plain, envs, options.seconds))
    for cut, extra in CUTS.items():
        with single_env(env_id, **common, **extra) as step:
            yield Cell(f"learned gym.make{cut}", 1, measure(step, 1, options.seconds))
    for (engine, how), (cut, extra) in product(ENGINES.items(), CUTS.items()):
        arguments = {**common, **how, **extra}
        loaded = plain.reduced() if "precision" in how else plain
        loaded = loaded.compiled() if how else loaded
        for envs in options.envs[1:] if how else options.envs:

            def cell(face: str, made: Any, label: str = engine + cut, envs: int = envs) -> Cell:
                with made as step:
                    speed = measure(step, envs, options.seconds)
                return Cell(f"learned {face}{label}", envs, speed)

            yield cell("Simulation.step", simulation(loaded, envs, disagreement=not extra))
            for tensors in (True, False):
                made = gym.make_vec(env_id, num_envs=envs, tensors=tensors, **arguments)
                face = "gym.make_vec, tensors" if tensors else "gym.make_vec"
                yield cell(face, vector_env(made, made.unwrapped.single_action_space, tensors))
            yield cell("SB3 VecEnv", sb3_env(options.task, envs, arguments))


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


def rollout_cell(options: Options) -> Cell:
    """Step MuJoCo's own threads, without observations, rewards and episodes."""
    with closing(gym.make(catalogue.reference_id(options.task)).unwrapped) as env:
        env.reset(seed=0)
        model, skip, space = env.model, env.frame_skip, env.action_space
        start = np.concatenate([[0.0], env.data.qpos, env.data.qvel])
    starts = np.tile(start, (ROLLOUTS, 1))
    shape = (ROLLOUTS, ROLLOUTS, *space.shape)
    actions = np.random.default_rng(0).uniform(space.low, space.high, shape)
    controls = actions.repeat(skip, 1)
    data = [mujoco.MjData(model) for _ in range(cores())]
    with mujoco.rollout.Rollout(nthread=cores()) as pool:
        speed = measure(
            lambda: pool.rollout(model, data, starts, controls), ROLLOUTS**2, options.seconds
        )
    return Cell("real mujoco.rollout", ROLLOUTS, speed)


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


def lay_out(options: Options, cells: list[Cell], peers: dict[str, Cell]) -> Table:
    named = ", ".join(f"{name} {cell.speed:,.0f}/s" for name, cell in peers.items())
    table = Table(
        title=f"{options.task}: environment steps per second (times {' / '.join(peers)})",
        caption=f"{named}. {cores()} cores, {torch.get_num_threads()} torch threads, learned "
        f"environments on {options.device}. `gym.make_vec` and SB3 return numpy.",
    )
    counts = sorted({cell.envs for cell in cells})
    table.add_column("environments at once")
    for count in counts:
        table.add_column(f"{count:,}", justify="right")
    speeds = {(cell.name, cell.envs): cell.speed for cell in cells}

    def times(speed: float) -> str:
        return " / ".join(f"{speed / peer.speed:.3g}" for peer in peers.values())

    for name in dict.fromkeys(cell.name for cell in cells):
        row = [speeds.get((name, count)) for count in counts]
        table.add_row(name, *("" if s is None else f"{s:,.0f} ({times(s)})" for s in row))
    return table


def errors(options: Options) -> Table:
    """Set the errors of rollouts of each engine side by side, along a random actor's episodes."""
    plain = Simulation.load(options.checkpoint or options.task, options.device)
    reduced = plain.reduced()
    engines = [plain, plain.compiled(), reduced.compiled()]
    table = Table("median (mean) error after", title="What compiling and bfloat16 do to rollouts")
    with tempfile.TemporaryDirectory() as folder:
        dataset = collect(options.task, 20_000, Path(folder) / "data", seed=77, workers=1)
        reports = [evaluate(engine, dataset, HORIZONS) for engine in engines]
    for engine in ENGINES:
        table.add_column(f"learned{engine}", justify="right")
    for index, horizon in enumerate(reports[0].horizons):
        curves = [report.curve("model") for report in reports]
        row = [f"{curve.median[index]:.4g} ({curve.mean[index]:.4g})" for curve in curves]
        table.add_row(f"{horizon} steps", *row)
    return table


def draw(options: Options, cells: list[Cell], path: Path) -> None:
    """Draw speed over the number of environments, a line a way of stepping."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    none = ", max_disagreement=None"
    for name in [CEILING, *(f"learned gym.make_vec, tensors{e}{none}" for e in ENGINES)]:
        chosen = [cell for cell in cells if cell.name == name]
        style = "k--" if name == CEILING else "o-"
        axes.plot([c.envs for c in chosen], [c.speed for c in chosen], style, label=name)
    for name in dict.fromkeys(cell.name for cell in cells if cell.name.startswith("real")):
        chosen = [cell for cell in cells if cell.name == name]
        axes.plot([c.envs for c in chosen], [c.speed for c in chosen], "x:", label=name)
    axes.set(xscale="log", yscale="log", xlabel="environments at once", title=options.task)
    axes.set_ylabel("environment steps per second")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    figure.savefig(path, dpi=120)


def main(options: Options) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    if os.getloadavg()[0] > BUSY and not options.force:
        console.print(
            f"The machine is busy (load {os.getloadavg()[0]:.1f}), which disturbs the figures. "
            "Wait, or measure all the same with --force."
        )
        raise SystemExit(1)
    cells = []
    with console.status("measuring"):
        # The real ones first: their processes start from one that holds nothing yet.
        cells += real_cells(options)
        best = max((c for c in cells if "make_vec" in c.name), key=lambda c: c.speed)
        cells.append(rollout_cell(options))
        peers = {"the best real gym.make_vec": best, "mujoco.rollout": cells[-1]}
        try:
            pool = list(envpool_cells(options))
            peers["EnvPool"] = max(pool, key=lambda c: c.speed)
            cells += pool
        except ImportError:
            console.print("EnvPool is not installed: pip install envpool to see it beside.")
        cells += learned_cells(options)
        effect = errors(options)
    console.print(lay_out(options, cells, peers))
    console.print(effect)
    single = {cell.name: cell.speed for cell in cells if cell.envs == 1}
    for name in (f"learned gym.make{cut}" for cut in CUTS):
        ratio = single[name] / single["real gym.make"]
        console.print(f"{name}: {ratio:.2f} times the steps of one real environment.")
    speeds = {(cell.name, cell.envs): cell.speed for cell in cells}
    for (name, envs), speed in speeds.items():
        if envs == 4096 and name.endswith("None"):
            console.print(f"{name}: {speed / speeds[CEILING, envs]:.0%} of the ceiling at 4,096.")
    if options.json is not None:
        options.json.write_text(json.dumps([vars(cell) for cell in cells], indent=1))
    if options.plot is not None:
        draw(options, cells, options.plot)


if __name__ == "__main__":
    main(tyro.cli(Options))
