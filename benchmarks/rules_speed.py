"""How fast are steps with traced rules, beside those of tasks that are written by hand?

    python benchmarks/rules_speed.py            # Gymnasium's MuJoCo tasks, a quarter of an hour

steps `Simulation.step` in batches, as torch and as native code, and a single environment, with the
shipped model and the rules of each kind. Tasks without weights have an untrained model of the same
size. Everything runs in one thread; pieces of both kinds alternate, and the time is the
processor's. Shown is the speed with traced rules as a share of the other's, medians of the pieces,
and how long the native code takes to be written and compiled.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
import tyro
from rich.console import Console
from rich.table import Table
from rules import GYMNASIUM

from learned_envs import Simulation, State, registry
from learned_envs.checkpoint import save_checkpoint
from learned_envs.collect.asking import Asked, ask
from learned_envs.dynamics import Ensemble
from learned_envs.task_entry import TRACED


@dataclass(frozen=True)
class Options:
    """Time steps with traced rules."""

    names: tuple[str, ...] = GYMNASIUM
    """Environments, as `learned-envs fit` takes them."""
    batch: int = 4096
    """States of a batch."""
    pieces: int = 9
    """How many times each is measured."""


def model_of(asked: Asked, shipped: Simulation | None) -> Ensemble:
    """Return a model with the starts of what was asked: the shipped one, or an untrained one."""
    sensors, count = asked.task.sensors, len(asked.starts) if asked.starts is not None else 0
    torch.manual_seed(0)
    family: Any = registry.family_class(registry.DEFAULT_FAMILY)()
    spec = asked.spec
    if shipped is not None and isinstance(shipped.dynamics, Ensemble):
        family, spec = shipped.dynamics.family, shipped.dynamics.spec
    made = Ensemble(family, spec, 3, sensors, count)
    if made.starts is not None and asked.starts is not None:
        made.starts.copy_(asked.starts)
    if shipped is not None:
        known = shipped.dynamics.state_dict()
        # A head may have other sensors.
        own = {name: x for name, x in made.state_dict().items() if name.startswith("head")}
        made.load_state_dict({**made.state_dict(), **known, **own})
        return made
    state = asked.task.initial_state(2000)
    v = torch.randn(2000, asked.spec.nv)
    reached = State(made.kinematics.advance(state.q, asked.spec.dt * v), 1.1 * v, state.memory)
    action = torch.rand(2000, asked.spec.nu)
    made.normalise(State(state.q, v, state.memory), action, reached)
    if made.head is not None:
        made.head.normalise(reached, action, {s.name: torch.randn(2000, s.size) for s in sensors})
    return made


def in_batches(simulation: Simulation, batch: int) -> Callable[[], None]:
    """Return what steps a batch once."""
    state = simulation.reset(batch, torch.Generator().manual_seed(0))
    action = torch.rand(batch, simulation.task.spec.nu)

    def step() -> None:
        with torch.inference_mode():
            simulation.step(state, action)

    return step


def alone(checkpoint: Path | str, id: str) -> Callable[[], None]:
    """Return what steps a single environment a hundred times."""
    # Untrained members would disagree about everything.
    env = gym.make(id, checkpoint=checkpoint, max_disagreement=None).unwrapped
    env.reset(seed=0)
    action = env.action_space.sample()

    def steps() -> None:
        for _ in range(100):
            env.step(action)

    return steps


def paired(pieces: int, *steps: Callable[[], None]) -> list[float]:
    """Return seconds of the processor that each takes once, medians of pieces that alternate."""
    times: list[list[float]] = [[] for _ in steps]
    for step in steps:
        step()
    for _ in range(pieces):
        for step, found in zip(steps, times, strict=True):
            begin = time.thread_time()
            for _ in range(10):
                step()
            found.append((time.thread_time() - begin) / 10)
    return [statistics.median(found) for found in times]


def row(name: str, options: Options, folder: Path) -> tuple[str, ...]:
    """Measure one environment."""
    asked = ask(name)
    task = name.rpartition("-")[0]
    shipped = None
    has_file = task in registry.TASKS and registry.TASKS[task].entry_point != TRACED
    if has_file and registry.shipped_weights(task).exists():
        shipped = Simulation.load(task)
    path = folder / f"{task}.safetensors"
    save_checkpoint(path, model_of(asked, shipped), {**asked.entries.to_dict(), "task": name})
    traced = Simulation.load(path)
    begin = time.perf_counter()
    in_batches(replace(traced, compile=True), options.batch)()
    seconds = time.perf_counter() - begin
    cells = [name, f"{seconds:.0f} s"]
    if shipped is None:
        # Its own speed as native code, beside that as torch.
        slow, fast = (
            paired(3, in_batches(replace(traced, compile=compile), options.batch))[0]
            for compile in (False, True)
        )
        return (*cells, "", "", "", f"{options.batch / fast:,.0f} ({slow / fast:.1f})")
    written = shipped
    shares = []
    for compile in (False, True):
        pair = [
            in_batches(replace(each, compile=compile), options.batch) for each in (traced, written)
        ]
        ours, theirs = paired(options.pieces, *pair)
        shares.append(f"{theirs / ours:.2f}")
    ours, theirs = paired(
        options.pieces,
        alone(path, registry.ANY),
        alone(registry.env_id(task), registry.env_id(task)),
    )
    return (*cells, *shares, f"{theirs / ours:.2f}", "")


def main(options: Options) -> None:
    torch.set_num_threads(1)
    # Code that cannot be written would be told by a warning.
    warnings.filterwarnings("error", message="No native code")
    heads = ("environment", "compiled in", "batch, torch", "batch, native", "single")
    table = Table(*heads, "native steps/s (times torch's)")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            table.add_row(*row(name, options, Path(folder)))
            Console().print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
