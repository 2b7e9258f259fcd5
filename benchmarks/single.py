"""How long does a step take as it comes, beside the real environment's?

    python benchmarks/single.py                 # every task with weights, three minutes
    python benchmarks/single.py --task Hopper --pieces 15
    python benchmarks/single.py --task Ant Humanoid --anew

steps the real `gym.make`, the learned one with its default settings and with others, and the
default `gym.make_vec`, all in one process of one thread, under random actions and with the resets
that these bring. Pieces of each alternate, and the time is the processor's and not the clock's, so
that other work on the machine disturbs all alike. Shown are the microseconds of an environment's
step, medians of the pieces, and in brackets how many times the real one's speed that is. A task
without weights has an untrained model of the default size, whose disagreement cuts nothing. With
`--anew` native code is compiled and not taken from the cache, and the last column has the
processor's seconds that the compiler took for `gym.make` and for `gym.make_vec`.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
import tyro
from rich.console import Console
from rich.table import Table
from rules_speed import model_of
from stepping import single_env, vector_env

from learned_envs import registry
from learned_envs.checkpoint import save_checkpoint
from learned_envs.collect.asking import ask
from learned_envs.evaluation.speed import Stepper
from learned_envs.systems.reference import deprecations_swallowed

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "max_disagreement=None": {"max_disagreement": None},
    "compile=False": {"compile": False},
}
"""Ways to make a single learned environment."""

FAR = 1e9
"""A disagreement that no model reaches."""


@dataclass(frozen=True)
class Options:
    """Time a step of learned environments beside the real one's."""

    task: tuple[str, ...] = tuple(t for t in registry.TASKS if registry.shipped_weights(t).exists())
    """Names of tasks with shipped weights."""
    pieces: int = 9
    """How many times each is measured."""
    steps: int = 300
    """Steps of a single environment in a piece."""
    envs: int = 1024
    """Environments of `gym.make_vec`; it takes a tenth of the steps in a piece."""
    anew: bool = False
    """Compile native code, and say how long that takes."""


def timed(step: Stepper, count: int) -> float:
    """Return the processor's microseconds for one of some steps."""
    begin = time.thread_time()
    for _ in range(count):
        step()
    return (time.thread_time() - begin) / count * 1e6


def untrained(task: str, folder: Path) -> Path:
    """Return the checkpoint of a model of the default size that has learned nothing.

    Nothing is outside its envelope, so that no step begins an episode anew.
    """
    asked = ask(task)
    path, model = folder / f"{task}.safetensors", model_of(asked, None)
    for name, bound in (("low", -torch.inf), ("high", torch.inf)):
        for symbol in "qv":
            model.get_buffer(f"{symbol}_{name}").fill_(bound)
    save_checkpoint(path, model, {**asked.entries.to_dict(), "task": task})
    return path


def compiling() -> float:
    """Return the processor's seconds that compilers took so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def measured(task: str, options: Options, folder: Path) -> tuple[dict[str, float], list[float]]:
    """Return the microseconds of an environment's step, by what was stepped, and of compiling."""
    env_id = registry.env_id(task)
    own: dict[str, Any] = {}
    if not registry.shipped_weights(task).exists():
        own = {"checkpoint": untrained(task, folder), "max_disagreement": FAR}
    with ExitStack() as stack:
        with deprecations_swallowed():
            real = stack.enter_context(single_env(registry.reference_id(task)))
        steppers: dict[str, tuple[Stepper, int, int]] = {"real": (real, options.steps, 1)}
        times = [compiling()]
        for name, arguments in SETTINGS.items():
            step = stack.enter_context(single_env(env_id, **{**own, **arguments}))
            step()
            times.append(compiling())
            steppers[name] = (step, options.steps, 1)
        made: Callable[..., Any] = gym.make_vec
        envs = made(env_id, num_envs=options.envs, **own)
        batch = stack.enter_context(vector_env(envs, envs.single_action_space))
        times.append(compiling())
        batch()
        times.append(compiling())
        steppers["make_vec"] = (batch, max(1, options.steps // 10), options.envs)
        found: dict[str, list[float]] = {name: [] for name in steppers}
        for piece in range(options.pieces + 1):
            for name, (step, count, rows) in steppers.items():
                taken = timed(step, count) / rows
                # The first piece warms up.
                if piece:
                    found[name].append(taken)
    medians = {name: statistics.median(each) for name, each in found.items()}
    return medians, [times[1] - times[0], times[-1] - times[-2]]


def main(options: Options) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    vector = f"make_vec, {options.envs:,}"
    heads = ("task", "real", *SETTINGS, vector, *(["compiled in"] if options.anew else []))
    table = Table(*heads, title="microseconds a step (times the real)")
    with tempfile.TemporaryDirectory() as folder:
        if options.anew:
            os.environ["XDG_CACHE_HOME"] = folder
        for task in options.task:
            times, compiled = measured(task, options, Path(folder))
            real, *others = times.values()
            cells = [f"{own:.3g} ({real / own:.2g})" for own in others]
            if options.anew:
                cells.append(" / ".join(f"{seconds:.1f} s" for seconds in compiled))
            table.add_row(task, f"{real:.3g}", *cells)
            Console(width=140).print(table)


if __name__ == "__main__":
    main(tyro.cli(Options))
