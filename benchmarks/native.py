"""Which families' and tasks' steps have native code, and what stops the others?

    python benchmarks/native.py --write
    python benchmarks/native.py --families hamiltonian --on Ant --names

makes untrained models and writes the code of an environment's step with its disagreement, but does
not compile it. What stops code is an operation of a family or of a task's rules: so every family is
shown with a planar system, and every system with the default family. With `--write` the table goes
into docs/performance.md, where other rows stay. Robots of one's own are named as `learned-envs fit`
takes them, with their folder in `PYTHONPATH`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import tyro

from learned_envs import Simulation, registry
from learned_envs.collect.asking import Asked, ask
from learned_envs.dynamics import Ensemble
from learned_envs.envs.step import StepFunction
from learned_envs.errors import LearnedEnvsError
from learned_envs.stepping import CODES, obstacles

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- native -->", "<!-- /native -->"

HEAD = "| family | system | code of a step |\n|---|---|---|"

EXAMPLES = Path(__file__).parents[1] / "examples"

SYSTEMS = (
    *("InvertedPendulum", "InvertedDoublePendulum", "Reacher", "Swimmer", "Hopper", "Walker2d"),
    *("HalfCheetah", "Ant", "Humanoid", "HumanoidStandup", "Pusher"),
    *("go1:Go1Velocity-v0", str(EXAMPLES / "cube.xml")),
    "learned_envs.systems.dm_control:DmControl/walker-walk-v0",
)


@dataclass(frozen=True)
class Options:
    """Say which steps have native code."""

    names: tuple[str, ...] = SYSTEMS
    """Systems for the default family, as `learned-envs fit` takes them."""
    on: tuple[str, ...] = ("Hopper",)
    """Systems for the families."""
    families: tuple[str, ...] = field(default_factory=lambda: tuple(registry.FAMILIES))
    """Families of models."""
    write: bool = False
    """Put the table into docs/performance.md."""


def found(family: str, asked: Asked) -> dict[str, str]:
    """Return what stops the code of an untrained model's step, by kind of code."""
    cls: Any = registry.family_class(family)
    options = {"hidden": (16, 16)} if "hidden" in cls.__dataclass_fields__ else {}
    model = Ensemble(cls(**options), asked.spec, 3, asked.task.sensors)
    simulation = Simulation(asked.task, model)
    step = StepFunction(simulation, simulation.steps[True], 1.0, 0.0, True)
    state = simulation.reset(1, torch.Generator().manual_seed(0))
    first = state.remember(member=torch.zeros_like(state.memory["member"]))
    member = step.with_member(0) if step.judged else None
    return obstacles(step, first, asked.spec.nu, member)


def shown(stopped: dict[str, str]) -> str:
    """Return a cell of the table."""
    if not stopped:
        return "native"
    reasons: dict[str, list[str]] = {}
    for kind, reason in stopped.items():
        named = re.search(r"aten[.:]+(\w+)", reason)
        reasons.setdefault(f"`{named[1]}`" if named else reason, []).append(kind)
    return "; ".join(
        reason if len(kinds) == len(CODES) else f"{', '.join(kinds)}: {reason}"
        for reason, kinds in reasons.items()
    )


def rows(options: Options) -> Iterator[str]:
    """Look at one family with one system after the other."""
    pairs = [(family, name) for name in options.on for family in options.families]
    pairs += [(registry.DEFAULT_FAMILY, name) for name in options.names]
    for family, name in dict.fromkeys(pairs):
        label = Path(name).name if name.endswith(".xml") else name.rpartition("DmControl/")[2]
        try:
            cell = shown(found(family, ask(name)))
        except (LearnedEnvsError, ImportError) as error:
            print(f"{family}, {label}: {str(error).splitlines()[0]}")
            continue
        yield f"| {family} | {label} | {cell} |"


def main(options: Options) -> None:
    """Look and print."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    kept, _, after = rest.partition(END)
    known = {line.rsplit("|", 2)[0]: line for line in kept.strip().splitlines()[2:]}
    for line in rows(options):
        print(line, flush=True)
        known[line.rsplit("|", 2)[0]] = line
    if options.write:
        table = "\n".join((HEAD, *known.values()))
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


if __name__ == "__main__":
    main(tyro.cli(Options))
