"""How many environment steps a second?

The learned environment is measured behind each of its faces: in native code, in native code in
bfloat16, and uncompiled, with and without disagreement. It is compared with what a user would take
instead: the real `gym.make`, `gym.make_vec` (sync and async, 2 and 16 environments),
`mujoco.rollout` on all cores and, if they are installed, EnvPool, MJX (on JAX's device) and MuJoCo
Warp. Actions are random. Each speed is the median of a few windows after a warm-up, all in one run
on one machine. The tables also show how fast the matrix products of the model's own layers alone
would be, and what compiling and bfloat16 do to the error of rollouts.

    python benchmarks/throughput.py                  # ten minutes; more with MJX and Warp
    python benchmarks/throughput.py --task HalfCheetah --envs 4096 --json throughput.json
    python benchmarks/throughput.py --checkpoint runs/hopper
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
import tyro
from cells import lay_out
from rich.console import Console
from rich.table import Table
from stepping import (
    ROLLOUTS,
    ceiling,
    envpool_env,
    mjx_physics,
    mujoco_rollout,
    sb3_env,
    simulation,
    single_env,
    vector_env,
    warp_physics,
)

from learned_envs import Simulation, registry
from learned_envs.evaluation.speed import Stepper, measure
from learned_envs.fit import collect, evaluate
from learned_envs.workers import usable_cores

HORIZONS = (1, 5, 10, 20)
"""Steps after which errors of rollouts are shown."""

REAL_ENVS = (2, 16)
"""Real environments at once; 64 too if a library batches them itself."""

PHYSICS_ENVS = {"cpu": 64, "gpu": 8192}
"""Systems that MJX and MuJoCo Warp step at once; on a CPU more of them only take longer."""

CEILING = "matrix products of its layers alone"
REDUCED_CEILING = f"{CEILING}, bfloat16"

ENGINES: dict[str, dict[str, Any]] = {
    "": {"compile": True},
    ", bfloat16": {"compile": True, "precision": "bfloat16"},
    ", uncompiled": {"compile": False},
}
"""How the learned environment can be stepped. `True`, so that a missing compiler is told."""

PEERS = {
    "the best real gym.make_vec": "real gym.make_vec",
    "mujoco.rollout": "real mujoco.rollout",
    "EnvPool": "real EnvPool",
    "MJX": "real MJX",
    "MuJoCo Warp": "real MuJoCo Warp",
}
"""What speeds are divided by: the best of those whose names begin so."""

OPTIONAL = {"envpool": "envpool", "mujoco.mjx": "mujoco-mjx", "mujoco_warp": "mujoco-warp"}
"""Modules of peers that need not be installed, and the packages that have them."""

CUTS: dict[str, dict[str, Any]] = {"": {}, ", max_disagreement=None": {"max_disagreement": None}}

SINGLE: dict[str, dict[str, Any]] = {
    engine + cut: {**how, **extra}
    for (engine, how), (cut, extra) in product(ENGINES.items(), CUTS.items())
    if "precision" not in how
}
"""How one learned environment can be stepped."""

BUSY = 0.5
"""Average load above which other work would disturb the figures."""


@dataclass(frozen=True)
class Options:
    """Measure environment steps per second."""

    task: str = "Hopper"
    """Name of the task."""
    envs: tuple[int, ...] = (1, 64, 1024, 4096, 16_384, 65_536)
    """Learned environments at once."""
    seconds: float = 1.0
    """Time for each speed."""
    checkpoint: str | None = None
    """A checkpoint or a fit's folder; the shipped weights if not given."""
    device: str = "cpu"
    """The torch device that the learned environment runs on."""
    force: bool = False
    """Measure even if the machine has other work."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plot: Path | None = None
    """Where to draw speed over the number of environments."""


@dataclass(frozen=True)
class Measurement:
    """One figure: what was stepped, how many at once, environment steps per second."""

    name: str
    envs: int
    speed: float


def timed(
    name: str, envs: int, made: AbstractContextManager[Stepper], options: Options
) -> Measurement:
    with made as step:
        return Measurement(name, envs, measure(step, envs, options.seconds))


def learned(options: Options) -> Iterator[Measurement]:
    env_id = registry.env_id(options.task)
    common = {"checkpoint": options.checkpoint, "device": options.device}
    plain = Simulation.load(options.checkpoint or options.task, options.device)
    reduced = plain.to_bfloat16()
    for envs in options.envs:
        yield Measurement(CEILING, envs, ceiling(plain, envs, options.seconds))
        yield Measurement(REDUCED_CEILING, envs, ceiling(reduced, envs, options.seconds))
    for label, how in SINGLE.items():
        yield timed(f"learned gym.make{label}", 1, single_env(env_id, **common, **how), options)
    for (engine, how), (cut, extra) in product(ENGINES.items(), CUTS.items()):
        arguments, label = {**common, **how, **extra}, engine + cut
        loaded = reduced if "precision" in how else plain
        loaded = loaded.compiled() if how["compile"] else loaded
        for envs in options.envs:
            bare = simulation(loaded, envs, disagreement=not extra)
            yield timed(f"learned Simulation.step{label}", envs, bare, options)
            for face, tensors in (("gym.make_vec, tensors", True), ("gym.make_vec", False)):
                made = gym.make_vec(env_id, num_envs=envs, tensors=tensors, **arguments)
                stepped = vector_env(made, made.single_action_space, tensors)
                yield timed(f"learned {face}{label}", envs, stepped, options)
            stepped = sb3_env(options.task, envs, arguments)
            yield timed(f"learned SB3 VecEnv{label}", envs, stepped, options)


def installed(module: str) -> bool:
    return find_spec(module) is not None


def real(options: Options) -> Iterator[Measurement]:
    env_id = registry.reference_id(options.task)
    yield timed("real gym.make", 1, single_env(env_id), options)
    # A child forked from a process that has used torch's threads deadlocks.
    modes: dict[str, dict[str, Any]] = {"sync": {}, "async": {"context": "forkserver"}}
    for mode, extra in modes.items():
        for envs in REAL_ENVS:
            made = gym.make_vec(env_id, envs, vectorization_mode=mode, vector_kwargs=extra)
            stepped = vector_env(made, made.single_action_space)
            yield timed(f"real gym.make_vec, {mode}", envs, stepped, options)
    with mujoco_rollout(options.task) as step:
        speed = measure(step, ROLLOUTS**2, options.seconds)
    yield Measurement("real mujoco.rollout", ROLLOUTS, speed)
    for envs in (*REAL_ENVS, 64) if installed("envpool") else ():
        yield timed("real EnvPool", envs, envpool_env(options.task, envs), options)
    if installed("mujoco.mjx"):
        import jax

        envs = PHYSICS_ENVS[jax.default_backend()]
        yield timed("real MJX", envs, mjx_physics(options.task, envs), options)
    if installed("mujoco_warp"):
        import warp

        warp.config.quiet = True
        envs = PHYSICS_ENVS["gpu" if warp.is_cuda_available() else "cpu"]
        yield timed("real MuJoCo Warp", envs, warp_physics(options.task, envs), options)


def speeds_table(options: Options, measured: Sequence[Measurement]) -> Table:
    """Lay out each speed, and how many times as fast as its peers it is."""
    peers = {}
    for peer, name in PEERS.items():
        if chosen := [each for each in measured if each.name.startswith(name)]:
            peers[peer] = max(chosen, key=lambda each: each.speed)
    counts = sorted({each.envs for each in measured})
    speeds = {(each.name, each.envs): each.speed for each in measured}

    def shown(speed: float | None) -> str:
        if speed is None:
            return ""
        times = " / ".join(f"{speed / peer.speed:.3g}" for peer in peers.values())
        return f"{speed:,.0f} ({times})"

    table = lay_out(
        f"{options.task}: environment steps per second (times {' / '.join(peers)})",
        ("environments at once", *(f"{count:,}" for count in counts)),
        (
            (name, *(shown(speeds.get((name, count))) for count in counts))
            for name in dict.fromkeys(each.name for each in measured)
        ),
    )
    named = ", ".join(f"{name} {each.speed:,.0f}/s" for name, each in peers.items())
    table.caption = (
        f"{named}. {usable_cores()} cores, {torch.get_num_threads()} torch threads, "
        f"learned environments on {options.device}. `gym.make_vec` and SB3 return numpy."
    )
    return table


def errors_table(options: Options) -> Table:
    """Lay out the errors of each engine's rollouts along a random actor's episodes."""
    plain = Simulation.load(options.checkpoint or options.task, options.device)
    engines = [plain, plain.compiled(), plain.to_bfloat16().compiled()]
    with tempfile.TemporaryDirectory() as folder:
        dataset = collect(options.task, 20_000, Path(folder) / "data", seed=77, workers=1)
        reports = [evaluate(engine, dataset, HORIZONS) for engine in engines]
    curves = [report.curve("model") for report in reports]
    columns = ("median (mean) error after", *(f"learned{engine}" for engine in ENGINES))
    rows = [
        (f"{horizon} steps", *(f"{c.median[i]:.4g} ({c.mean[i]:.4g})" for c in curves))
        for i, horizon in enumerate(reports[0].horizons)
    ]
    return lay_out("What compiling and bfloat16 do to rollouts", columns, rows)


def draw(options: Options, measured: Sequence[Measurement], path: Path) -> None:
    """Draw speed over the number of environments, with a line for each way of stepping."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    none = ", max_disagreement=None"
    ceilings = {CEILING: "k--", REDUCED_CEILING: "k:"}
    for name in [*ceilings, *(f"learned gym.make_vec, tensors{e}{none}" for e in ENGINES)]:
        chosen = [each for each in measured if each.name == name]
        style = ceilings.get(name, "o-")
        axes.plot([c.envs for c in chosen], [c.speed for c in chosen], style, label=name)
    for name in dict.fromkeys(each.name for each in measured if each.name.startswith("real")):
        chosen = [each for each in measured if each.name == name]
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
            "Wait, or measure anyway with --force."
        )
        raise SystemExit(1)
    with console.status("measuring"):
        # The real ones first, because their processes start from one that holds nothing yet.
        measured = [*real(options), *learned(options)]
        effect = errors_table(options)
    for module, package in OPTIONAL.items():
        if not installed(module):
            console.print(f"pip install {package} to compare with it.")
    console.print(speeds_table(options, measured))
    console.print(effect)
    single = {each.name: each.speed for each in measured if each.envs == 1}
    for name in (f"learned gym.make{label}" for label in SINGLE):
        ratio = single[name] / single["real gym.make"]
        console.print(f"{name}: {ratio:.2f} times the steps of one real environment.")
    speeds = {(each.name, each.envs): each.speed for each in measured}
    for (name, envs), speed in speeds.items():
        if envs == 4096 and name.endswith("None"):
            limit = REDUCED_CEILING if "bfloat16" in name else CEILING
            share = speed / speeds[limit, envs]
            console.print(f"{name}: {share:.0%} of the ceiling at 4,096.")
    if options.json is not None:
        options.json.write_text(json.dumps([vars(each) for each in measured], indent=1))
    if options.plot is not None:
        draw(options, measured, options.plot)


if __name__ == "__main__":
    main(tyro.cli(Options))
