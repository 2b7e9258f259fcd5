"""How long do rollouts stay close to MuJoCo, compared with other models, a twin and hold?

    python benchmarks/fidelity.py                                         # every task with weights
    python benchmarks/fidelity.py --task Hopper --foil runs/hopper-residual

prints for each task the standardised squared error (median and mean) after 1 to 200 steps of

- `model`: the mean of the members of the shipped model, or of `--checkpoint`;
- `member`: one fixed member for each rollout, as environments step by default;
- `past its end`: the model again, but it goes on when the task's rules end the predicted episode.
  Everywhere else a predicted episode stays at its last state, as in an environment;
- each `--foil`: another fit, such as a `residual_mlp`;
- `twin`: MuJoCo itself, restarted from the same state with normal noise on q and v;
- `hold`: the first state, held.

Then comes the model's error as a multiple of that of its 1e-3 twin. The model is close if its
median is at most 50 times the twin's or 0.005, and at most half of hold's, and its mean is below
hold's. That is judged if the twin's own median is below a tenth of hold's. A stricter verdict
stands below: at most 10 times the twin's or 0.02, and median and mean below hold's.

The trajectories are those of agents that learn in the real environment under a seed that no
shipped weights have seen. They are recorded once, as by the command

    learned-envs collect Hopper --steps 450000 --learners 2 --seed 1 --out data/hopper-held-out

Then come full episodes, inside and outside, under agents that learned outside: those that
`benchmarks/transfer.py` left, or `--agent`. It prints how far the mean and the spread of each
dimension inside are from those outside, and how often episodes end by a fall: for each agent, and
over all. The rates agree if that inside is within a fifth of that outside. `--record` writes the
figures into the card of the weights; `benchmarks/tables.py` takes them from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from cells import RESULT_FILE, folder_of, lay_out, tasks_of
from rich.console import Console
from rich.table import Table
from tables import add_to_card

from learned_envs import Simulation, registry
from learned_envs.data.recording import Recording
from learned_envs.evaluation.evaluation import HORIZONS, Predictor, compare, model_of
from learned_envs.evaluation.report import TWIN, TWIN_BELOW_HOLD, Curve, Report
from learned_envs.evaluation.twin import twins
from learned_envs.fit import Dataset, collect
from learned_envs.sb3 import Agent, learn_outside
from learned_envs.transfer import long_run, summary

TIMES_THE_TWIN, SMALL_ERROR = 10.0, 0.02
"""What the stricter verdict allows a median: so many times the twin's, or so small an error."""

FALLS_OFF = 0.2
"""By what share the rate of falls inside may differ from that outside."""


@dataclass(frozen=True)
class Fidelity:
    """Measure rollout errors on episodes of agents that no training data holds."""

    task: tuple[str, ...] = ()
    """Names of tasks; all with shipped weights if not given. Options with paths need one task."""
    checkpoint: str | None = None
    """A fit's folder or a checkpoint, instead of the shipped weights."""
    foil: tuple[str, ...] = ()
    """Other fits of the task to compare with."""
    data: Path | None = None
    """Held-out dataset. If not given: data/<task>-held-out, which is recorded if it is missing."""
    steps: int = 450_000
    """Steps to record if there is no dataset."""
    trajectories: int = 1000
    """Windows that errors are measured on."""
    seed: int = 0
    """Decides which windows, and where long runs start."""
    twins: bool = True
    """Whether to run twins."""
    agent: tuple[Path, ...] = ()
    """Agents of the long runs. If not given: those that benchmarks/transfer.py trained outside."""
    episodes: int = 50
    """Long runs of each agent outside, and inside."""
    record: bool = False
    """Write the figures into the card of the weights."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plot: Path | None = None
    """Where to draw the errors."""

    @property
    def tasks(self) -> list[str]:
        """The tasks to measure."""
        tasks = tasks_of(self.task)
        paths = (self.checkpoint, self.foil, self.data, self.agent, self.json, self.plot)
        if len(tasks) > 1 and any(paths):
            raise SystemExit(f"Got a path for {len(tasks)} tasks. Name its one task with --task.")
        if self.record and not self.twins:
            raise SystemExit("Got --record with --no-twins. The card's figures include a twin's.")
        return tasks


def main(args: Fidelity) -> None:
    console = Console(width=140)
    for task in args.tasks:
        checkpoint = args.checkpoint or registry.env_id(task)
        simulation = Simulation.load(checkpoint)
        report = rollout_errors(args, task, simulation)
        console.print(report.table())
        console.print(strict_verdicts(report))
        long = long_runs(args, task, simulation, console)
        console.print(
            long or f"No agents for long runs: python benchmarks/transfer.py --task {task}"
        )
        if args.json is not None:
            args.json.write_text(
                json.dumps({"report": report.to_dict(), "long_run": long}, indent=1)
            )
        if args.plot is not None:
            report.plot(args.plot)
        if args.record:
            record(checkpoint, report, long)


def rollout_errors(args: Fidelity, task: str, simulation: Simulation) -> Report:
    """Measure all predictors on the held-out trajectories."""
    recording = unseen(held_out(args, task))
    members = torch.Generator(simulation.device).manual_seed(args.seed)
    predictors: dict[str, Predictor] = {
        "model": model_of(simulation),
        "member": model_of(simulation, members=members),
        "past its end": model_of(simulation, past_the_end=True),
    }
    for path in args.foil:
        foil = Simulation.load(path)
        predictors[f"{foil.card['family']} ({path})"] = model_of(foil)
    if args.twins:
        predictors |= twins(task, simulation.task, recording)
    return compare(recording, simulation, predictors, HORIZONS, args.trajectories, args.seed)


def strict_verdicts(report: Report) -> Table:
    """Lay out whether the model passes the stricter verdict, at each horizon where MuJoCo can."""
    cells = []
    named = {curve.name: curve for curve in report.curves}
    for i, horizon in enumerate(report.horizons):
        model, hold, twin = (named.get(name) for name in ("model", "hold", TWIN))
        if model is None or hold is None or twin is None:
            continue
        if twin.median[i] >= TWIN_BELOW_HOLD * hold.median[i]:
            cells.append((str(horizon), "", "not judged"))
            continue
        allowed = max(TIMES_THE_TWIN * twin.median[i], SMALL_ERROR)
        below = model.median[i] < hold.median[i] and model.mean[i] < hold.mean[i]
        passed = model.median[i] <= allowed and below
        cells.append((str(horizon), f"{allowed:.2g}", "passed" if passed else "missed"))
    title = f"median at most {TIMES_THE_TWIN:g} twins or {SMALL_ERROR:g}, all below hold"
    return lay_out(title, ("steps", "allowed", "verdict"), cells)


def held_out(args: Fidelity, task: str) -> Dataset:
    """Open the held-out dataset, or record it; a recording that was killed goes on."""
    if args.data is not None:
        return Dataset.open(args.data, task)
    path = Path("data") / f"{task.lower()}-held-out"
    if not path.exists():
        Console().print(f"Recording {args.steps:,} steps into {path}, once.")
    learners = {"ppo-0": learn_outside, "ppo-1": learn_outside}
    return collect(task, args.steps, path, drivers=learners, seed=1)


def unseen(dataset: Dataset) -> Recording:
    """Leave out the random actor, whom the training data holds too."""
    recording = dataset.load()
    return recording.select([i for i, s in enumerate(recording.actors) if s != "random"])


def long_runs(
    args: Fidelity, task: str, simulation: Simulation, console: Console
) -> Mapping[str, float] | None:
    """Compare full episodes inside with those outside; None if there is no agent."""
    saved = Path("runs/transfer").glob(f"{folder_of(task)}/outside-*/{RESULT_FILE}")
    agents = args.agent or sorted(result.parent for result in saved)
    if not agents:
        return None
    runs = [
        long_run(Agent.load(path), task, simulation, args.episodes, args.seed) for path in agents
    ]
    figures = summary(runs)
    rows = [
        (str(path), *falls(run.fell_inside, run.fell_outside))
        for path, run in zip(agents, runs, strict=True)
    ]
    overall = ("all", *falls(figures["fell_inside"], figures["fell_outside"]))
    console.print(lay_out("falls", ("agent", "inside", "outside", "verdict"), [*rows, overall]))
    return {"agents": len(agents), "episodes": args.episodes, **figures}


def falls(inside: float, outside: float) -> tuple[str, str, str]:
    """Return rates of falls as text, and whether they agree."""
    agree = abs(inside - outside) <= FALLS_OFF * outside
    return f"{inside:.0%}", f"{outside:.0%}", "agree" if agree else "differ"


def record(checkpoint: str, report: Report, long: Mapping[str, float] | None) -> None:
    """Write what matters of the figures into the card of the weights."""

    def rounded(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(float(f"{value:.3g}") for value in values)

    curves = tuple(
        Curve(curve.name, rounded(curve.median), rounded(curve.mean))
        for curve in report.curves
        if curve.name in ("hold", "model", TWIN)
    )
    figures: dict[str, Any] = {"report": replace(report, curves=curves).to_dict()}
    if long is not None:
        figures["long_run"] = long
    add_to_card(checkpoint, fidelity=figures)


if __name__ == "__main__":
    main(tyro.cli(Fidelity))
