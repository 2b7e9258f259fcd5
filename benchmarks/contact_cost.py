"""What does the geometry of contacts cost?

    python benchmarks/contact_cost.py Ant Humanoid HumanoidStandup Pusher

times steps of models like the shipped ones, with random weights, in compiled C++: without contacts,
with points on planes, and with pairs of shapes that met in the data too. It counts seconds of
the processor, so that other work on the machine matters little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import tyro
from cells import lay_out
from rich.console import Console
from torch import Tensor

from learned_envs.checkpoint import load_checkpoint
from learned_envs.codegen.cpp import CppBatch, CppRow
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.dynamics import Family
from learned_envs.fit import TrainingConfig
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Options:
    """Measure what the geometry of contacts costs."""

    checkpoint: tyro.conf.Positional[tuple[str, ...]]
    """Tasks with weights, fits' folders or checkpoints."""
    envs: int = 1024
    """Environments at once."""
    seconds: float = 0.5
    """Time for each figure."""


def measure(run: Callable[[], object], seconds: float) -> float:
    """Return the processor's seconds of a call: those of the fastest of ten parts."""
    run()
    best, end = float("inf"), time.process_time() + seconds
    while time.process_time() < end:
        begun, calls = time.process_time(), 0
        while time.process_time() < begun + seconds / 10:
            run()
            calls += 1
        best = min(best, (time.process_time() - begun) / calls)
    return best


@torch.no_grad()
def step_times(family: Family, spec: SystemSpec, options: Options) -> tuple[float, float]:
    """Return the seconds of a compiled step of all environments, and of one alone."""
    model = Ensemble(family, spec, 1)

    def step(q: Tensor, v: Tensor, action: Tensor) -> list[Tensor]:
        state = model.step(State(q, v), action).state
        return [state.q, state.v]

    q = torch.tensor(spec.q0).expand(options.envs, -1).contiguous()
    v = torch.randn(options.envs, spec.nv, generator=torch.Generator().manual_seed(0))
    inputs = [q, v, torch.zeros(options.envs, spec.nu)]
    first = [each[:1] for each in inputs]
    batch, row = CppBatch([step], first), CppRow(step, first)
    arrays = [each[0].numpy() for each in first]
    return (
        measure(lambda: batch.run(inputs), options.seconds),
        measure(lambda: row.run(*arrays), options.seconds),
    )


def main(options: Options) -> None:
    torch.set_num_threads(1)
    console, rows = Console(), []
    for name in options.checkpoint:
        dynamics, card = load_checkpoint(name)
        family: Any = dynamics.family
        alone = replace(dynamics.spec, pairs=())
        blind = step_times(replace(family, contact_geometry=False), alone, options)
        shown = {"points": alone}
        pairs = dynamics.spec.pairs
        # As many as a new fit sees, and as many as this one does.
        for count in sorted({len(pairs[: TrainingConfig().most_pairs]), len(pairs)} - {0}):
            shown[f"points, {count} pairs"] = replace(alone, pairs=pairs[:count])
        for seen, spec in shown.items():
            many, one = step_times(family, spec, options)
            shares = 1 - blind[0] / many, 1 - blind[1] / one
            rows.append(
                (
                    *(card["task"], seen, f"{1e6 * many / options.envs:.2f}", f"{shares[0]:.0%}"),
                    *(f"{1e6 * one:.1f}", f"{shares[1]:.0%}"),
                )
            )
    columns = ("system", "seen", f"us, one of {options.envs:,}", "share", "us, single", "share")
    console.print(lay_out("A compiled step and what contacts take of it", columns, rows))


if __name__ == "__main__":
    main(tyro.cli(Options))
