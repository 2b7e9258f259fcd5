"""How does the cost of a step grow, and what is it made of?

    python benchmarks/cost.py --plot docs/cost.png   # about five minutes

times steps of untrained models of a task's shipped configuration, with one member an episode, by
default and compiled in bfloat16. One thing grows at a time: the batch, the width of the three
hidden layers, the members whose disagreement is asked for, the length of a rollout. It prints
which share of a step the contact geometry takes and what the disagreement of all members costs,
and draws the curves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from cells import lay_out
from rich.console import Console

from learned_envs import Simulation
from learned_envs.dynamics import Ensemble
from learned_envs.evaluation.speed import measure

BATCHES = (1, 16, 256, 1024, 4096, 16_384)
WIDTHS = (32, 64, 128, 192, 256, 384)
MEMBERS = (1, 2, 3, 5, 7)
HORIZONS = (1, 10, 50, 200)

ENGINES: dict[str, Callable[[Simulation], Simulation]] = {
    "as it comes": lambda simulation: simulation,
    "compiled, bfloat16": lambda simulation: simulation.to_bfloat16().compiled(),
}


@dataclass(frozen=True)
class Options:
    """Measure how the cost of a step grows."""

    task: str = "Hopper"
    """Name of the task."""
    envs: int = 1024
    """Environments at once, unless their number grows."""
    seconds: float = 0.5
    """Time for each figure."""
    plot: Path | None = None
    """Where to draw the curves."""


@torch.no_grad()
def step_time(simulation: Simulation, envs: int, seconds: float, disagreement: bool) -> float:
    """Return the seconds of one step of a batch."""
    state, action = simulation.reset(envs), torch.zeros(envs, simulation.task.spec.nu)
    return envs / measure(lambda: simulation.step(state, action, disagreement), envs, seconds)


@torch.no_grad()
def rollout_time(simulation: Simulation, envs: int, seconds: float, horizon: int) -> float:
    """Return the seconds of one rollout of a batch."""
    state, actions = simulation.reset(envs), torch.zeros(envs, horizon, simulation.task.spec.nu)
    return envs / measure(lambda: simulation.rollout(state, actions), envs, seconds)


def draw(
    path: Path,
    options: Options,
    sizes: Mapping[str, Sequence[int]],
    times: Mapping[str, Mapping[str, Sequence[float]]],
) -> None:
    """Draw the time of each engine over what grows, a panel for each thing that does."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for axes, (name, grown) in zip(figure.subplots(1, 4), sizes.items(), strict=True):
        for engine, curve in times[name].items():
            axes.plot(grown, [1000 * time for time in curve], "o-", label=engine)
        axes.set(xlabel=name, xscale="log", yscale="log")
        axes.set_xticks(grown, [f"{size:,}" for size in grown], rotation=45, minor=False)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter("")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("milliseconds")
    figure.axes[0].legend(fontsize=8)
    threads = torch.get_num_threads()
    figure.suptitle(f"{options.task}, {options.envs:,} environments, {threads} threads")
    figure.savefig(path, dpi=110)


def main(options: Options) -> None:
    console = Console()
    shipped = Simulation.load(options.task)
    dynamics, envs, seconds = shipped.dynamics, options.envs, options.seconds
    assert isinstance(dynamics, Ensemble)

    def made(engine: str, width: int | None = None, members: int = 3, **changes: Any) -> Simulation:
        family = replace(dynamics.family, **changes)
        if width is not None:
            family = replace(family, hidden=(width,) * 3)
        untrained = Ensemble(family, dynamics.spec, members, dynamics.sensors)
        return ENGINES[engine](replace(shipped, dynamics=untrained.requires_grad_(False)))

    panels: dict[str, tuple[tuple[int, ...], Callable[[str, int], float]]] = {
        "environments at once": (BATCHES, lambda e, n: step_time(made(e), n, seconds, False)),
        "width of the layers": (WIDTHS, lambda e, n: step_time(made(e, n), envs, seconds, False)),
        "members that disagree": (
            MEMBERS,
            lambda e, n: step_time(made(e, members=n), envs, seconds, n > 1),
        ),
        "steps of a rollout": (HORIZONS, lambda e, n: rollout_time(made(e), envs, seconds, n)),
    }
    with console.status("measuring"):
        times = {
            name: {engine: [time(engine, size) for size in sizes] for engine in ENGINES}
            for name, (sizes, time) in panels.items()
        }
        shares = {}
        for engine in ENGINES:
            whole, three = (step_time(made(engine), envs, seconds, each) for each in (False, True))
            blind = step_time(made(engine, contact_geometry=False), envs, seconds, False)
            shares[engine] = 1 - blind / whole, three / whole
    for name, (sizes, _) in panels.items():
        rows = [(each, *(f"{1000 * time:.3g}" for time in times[name][each])) for each in ENGINES]
        columns = (name, *(f"{size:,}" for size in sizes))
        console.print(lay_out(f"{options.task}: ms", columns, rows))
    for engine, (geometry, three) in shares.items():
        console.print(
            f"At {envs:,} environments, {engine}, contact geometry takes {geometry:.0%} of a step, "
            f"and a step with the disagreement of 3 members {three:.2f} times as long as without."
        )
    if options.plot is not None:
        draw(options.plot, options, {name: sizes for name, (sizes, _) in panels.items()}, times)


if __name__ == "__main__":
    main(tyro.cli(Options))
