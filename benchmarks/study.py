"""Which inductive bias pays? Every model family on pendulums and on MuJoCo's walkers.

    python benchmarks/study.py                                  # all of it, two hours of two cores
    python benchmarks/study.py --system ChainPendulum-2 --family second_order hamiltonian --seeds 1

The protocol "paper" is that of Gruver, Finzi, Stanton and Wilson ("Deconstructing the Inductive
Biases of Hamiltonian Neural Networks", ICLR 2022): 40,000 windows, of 5 states for pendulums and of
3 steps in MuJoCo, networks of 2x128 tanh, no contact geometry, tests of 200 and 100 steps. "ours"
trains on windows of 2, 4 and 8 steps and shows contact geometry to networks of 3x192; the four
families that lead in MuJoCo under the first are trained so too. Every cell, a system with a family
and a seed, takes as many updates of the same batch.

The error of a rollout is the geometric mean, over its steps, of the standardised squared error; the
table has its median over rollouts, the mean in brackets, each the geometric mean over seeds, and
the smallest and largest median of a seed. Energy is that of the MJCF's masses and springs, off by
so many of its standard deviations where a rollout ends.

Each cell has a folder below `--out`. What was killed goes on with the same command; what is
finished is only read.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, catalogue
from learned_envs.data.trajectories import Trajectories
from learned_envs.errors import LearnedEnvsError
from learned_envs.evaluation.evaluation import Yardstick, hold, model_of
from learned_envs.files import write_whole
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit
from learned_envs.fit.folder import CONFIG_FILE
from learned_envs.kinematics import Inertia
from learned_envs.sb3 import learn_outside
from learned_envs.state import State
from learned_envs.workers import run_in_order, usable_cores

Protocol = Literal["paper", "ours"]

PENDULUMS = (
    "ChainPendulum-2",
    "FrictionalChainPendulum-2",
    "SpringPendulum-2",
    "FrictionalSpringPendulum-2",
    "ContactPendulum",
)
WALKERS = ("Swimmer", "Hopper", "HalfCheetah")

HOLD = "hold"
"""Stands in the tables beside the families: the first state, held."""

LEADERS = 4
"""Families that are trained by our own protocol too."""

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Options:
    """Train every family on every system alike, and compare their rollouts."""

    system: tuple[str, ...] = PENDULUMS + WALKERS
    """Names of the tasks."""
    family: tuple[str, ...] = tuple(catalogue.FAMILIES)
    """Names of the model families."""
    protocol: tuple[Protocol, ...] = ("paper", "ours")
    """How they are trained."""
    seeds: int = 3
    """Trainings of each family."""
    windows: int = 40_000
    """Real steps that each is trained on."""
    updates: int = 1000
    """Gradient steps of each training."""
    trajectories: int = 500
    """Rollouts that errors are measured on."""
    out: Path = Path("runs/study")
    """Where data and cells are."""
    workers: int = usable_cores()
    """Cells trained at once, each in a process of one thread."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plots: Path | None = None
    """A folder for the two pictures."""


@dataclass(frozen=True)
class Cell:
    """A training of a family on a system, in a folder of its own."""

    system: str
    family: str
    protocol: Protocol
    seed: int
    options: Options

    @property
    def folder(self) -> Path:
        """Where all that is known of the cell is."""
        return self.options.out / self.protocol / self.system / self.family / f"seed-{self.seed}"

    @property
    def config(self) -> FitConfig:
        """How it is trained."""
        horizons = {"paper": (4,) if self.system in PENDULUMS else (3,), "ours": (2, 4, 8)}
        updates = self.options.updates
        # One member, and so much patience that none stops early.
        training = TrainingConfig(
            members=1,
            updates=updates,
            horizons=horizons[self.protocol],
            patience=updates,
            seed=self.seed,
        )
        options: dict[str, Any] = {}
        if self.protocol == "paper":
            options |= {"hidden": (128, 128), "activation": "tanh"}
        known = catalogue.family_class(self.family).__dataclass_fields__
        if "contact_geometry" in known:
            options["contact_geometry"] = self.protocol == "ours"
        if "joint_limits" in known:
            # Only one family could see them.
            options["joint_limits"] = False
        data = str(data_folder(self.options, self.system, test=False))
        return FitConfig(family=self.family, options=options, data=data, training=training)

    @property
    def settings(self) -> dict[str, Any]:
        """What the figures depend on, beside the code, as plain data."""
        data = {
            test: Dataset.open(data_folder(self.options, self.system, test == "test")).digest
            for test in ("train", "test")
        }
        config = asdict(replace(self.config, data=None))
        settings = {"data": data, "fit": config, "trajectories": self.options.trajectories}
        plain: dict[str, Any] = json.loads(json.dumps(settings))
        return plain

    def result(self) -> dict[str, Any] | None:
        """Read the figures; None where there are none of these settings."""
        path = self.folder / RESULT_FILE
        stored = json.loads(path.read_text()) if path.exists() else None
        return stored["figures"] if stored and stored["settings"] == self.settings else None

    def run(self) -> None:
        """Train and measure."""
        resume = (self.folder / CONFIG_FILE).exists()
        begin = time.process_time()
        simulation = fit(self.system, self.folder, self.config, resume=resume, device="cpu")
        minutes = (time.process_time() - begin) / 60
        recording = Dataset.open(data_folder(self.options, self.system, test=True)).load()
        held = Trajectories.of(recording, simulation.task.spec)
        figures = {
            "minutes": minutes,
            "model": measure(simulation, held, self.options.trajectories, model_of(simulation)),
            HOLD: measure(simulation, held, self.options.trajectories, hold),
        }
        content = {"settings": self.settings, "figures": figures}
        write_whole(self.folder / RESULT_FILE, json.dumps(content, indent=1).encode())


def data_folder(options: Options, system: str, test: bool) -> Path:
    return options.out / "data" / (f"{system}-test" if test else system)


def record(options: Options, system: str) -> None:
    """Record what is learned from, and, by other seeds, what is tested on."""
    learners = {} if system in PENDULUMS else {"ppo-0": learn_outside}
    for test in (False, True):
        folder = data_folder(options, system, test)
        steps = options.windows // 2 if test else options.windows
        collect(system, steps, folder, drivers=learners, seed=int(test), workers=options.workers)


@torch.no_grad()
def measure(
    simulation: Simulation, held: Trajectories, trajectories: int, predict: Callable[..., Any]
) -> dict[str, float]:
    """Roll out along held-out trajectories: errors over all steps, energy at the end."""
    spec = simulation.task.spec
    length = 200 if spec.reference_id.removesuffix("-v0") in PENDULUMS else 100
    rows = held.draw((trajectories,), length, torch.Generator().manual_seed(0))
    window = held.window(rows, length)
    yardstick = Yardstick.of(held, simulation.dynamics.kinematics, spec.cyclic)
    states: Sequence[State] = predict(window)
    errors = [yardstick.error(state, window.after(t + 1)) for t, state in enumerate(states)]
    error = torch.stack(errors).clamp_min(1e-12).log().mean(0).exp()

    inertia = Inertia(spec)

    def energy(state: State) -> torch.Tensor:
        return sum(inertia.energy(state.q.double(), state.v.double()), torch.zeros(()))

    every = energy(held.states())
    drift = (energy(states[-1]) - energy(window.after(length))).abs() / every.std()
    return {
        "median": error.median().item(),
        "mean": error.mean().item(),
        "end": errors[-1].median().item(),
        "energy": drift.median().item(),
    }


def run_cell(cell: Cell) -> str | None:
    """Train and measure a cell in a worker; say why where it fails, for the others to go on."""
    try:
        cell.run()
    except LearnedEnvsError as error:
        return f"{cell.folder}: {error}"
    return None


def run_all(cells: Sequence[Cell], workers: int, console: Console) -> None:
    """Run what is not finished yet."""
    missing = [cell for cell in cells if cell.result() is None]
    for number, (cell, failure) in enumerate(
        zip(missing, run_in_order(run_cell, missing, workers), strict=True), start=1
    ):
        figures = cell.result()
        outcome = f"median error {figures['model']['median']:.2g}" if figures else failure
        console.print(f"{number} of {len(missing)}: {cell.folder}, {outcome}", soft_wrap=True)


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-12)) for value in values) / len(values))


def summarise(cells: Sequence[Cell]) -> dict[str, dict[str, dict[str, float]]]:
    """Return {system: {family: figures over seeds}} of what is finished."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        seeds = [
            other.result()
            for other in cells
            if (other.system, other.family) == (cell.system, cell.family)
        ]
        finished = [result for result in seeds if result]
        if not finished:
            continue
        of_system = figures.setdefault(cell.system, {})
        for name, key in ((cell.family, "model"), (HOLD, HOLD)):
            medians = [result[key]["median"] for result in finished]
            summary = {
                name: geometric_mean([result[key][name] for result in finished])
                for name in finished[0][key]
            }
            summary |= {"least": min(medians), "most": max(medians), "seeds": len(finished)}
            of_system[name] = summary
    return figures


def leaders(figures: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Return the families with the smallest errors over the walkers, the best first."""
    walkers = [figures[system] for system in WALKERS if system in figures]
    if not walkers:
        return []
    names = [family for family in catalogue.FAMILIES if all(family in each for each in walkers)]
    score = {
        name: geometric_mean([of_system[name]["median"] for of_system in walkers]) for name in names
    }
    return sorted(names, key=score.__getitem__)[:LEADERS]


def table(figures: dict[str, dict[str, dict[str, float]]], protocol: str, key: str) -> Table:
    """Lay one figure out, a row a family, a column a system."""
    what = {"median": "error of rollouts, median (mean) [seeds]", "energy": "energy off at the end"}
    result = Table(title=f"{protocol}: {what[key]}")
    result.add_column("family")
    for system in figures:
        result.add_column(system, justify="right")
    for family in [*catalogue.FAMILIES, HOLD]:
        cells = []
        for of_system in figures.values():
            each = of_system.get(family)
            if each is None:
                cells.append("")
            elif key == "median":
                spread = f" [{each['least']:.2g} to {each['most']:.2g}]" if family != HOLD else ""
                cells.append(f"{each['median']:.2g} ({each['mean']:.2g}){spread}")
            else:
                cells.append(f"{each[key]:.2g}")
        if any(cells):
            result.add_row(family, *cells)
    return result


def plot(figures: dict[str, dict[str, dict[str, float]]], key: str, title: str, path: Path) -> None:
    """Draw one figure: a place a system, a mark a family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots()
    systems = list(figures)
    # Held, a state keeps its energy: that would squeeze all else together.
    drawn = [*catalogue.FAMILIES] if key == "energy" else [*catalogue.FAMILIES, HOLD]
    families = [name for name in drawn if any(name in f for f in figures.values())]
    for index, family in enumerate(families):
        places = [i for i, system in enumerate(systems) if family in figures[system]]
        values = [figures[systems[i]][family][key] for i in places]
        shift = 0.7 * (index / max(1, len(families) - 1) - 0.5)
        style = "k_" if family == HOLD else "osD^v<>PX*"[index % 10]
        axes.plot([i + shift for i in places], values, style, label=family, markersize=8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(systems)), systems, rotation=20, ha="right")
    axes.set_title(title)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8, ncols=2, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)


def main(options: Options) -> None:
    console = Console(width=220)
    for system in options.system:
        record(options, catalogue.task_of(system))

    def cells(protocol: Protocol, families: Sequence[str], systems: Sequence[str]) -> list[Cell]:
        # Seed after seed, so that a table of one seed is whole as early as it can be.
        return [
            Cell(system, family, protocol, seed, options)
            for seed in range(options.seeds)
            for system in systems
            for family in families
        ]

    everything: dict[str, Any] = {}
    families: Sequence[str] = options.family
    for protocol in options.protocol:
        walkers = [system for system in options.system if system in WALKERS]
        systems = options.system if protocol == "paper" else walkers
        if protocol == "ours" and "paper" in everything:
            families = leaders(everything["paper"])
        chosen = cells(protocol, families, systems)
        if not chosen:
            continue
        run_all(chosen, options.workers, console)
        figures = everything[protocol] = summarise(chosen)
        for key in ("median", "energy"):
            console.print(table(figures, protocol, key))
        if options.plots is not None and figures:
            options.plots.mkdir(parents=True, exist_ok=True)
            for key, title in (
                ("median", "Rollout error (median over rollouts)"),
                ("energy", "Energy off at the end, in standard deviations"),
            ):
                plot(figures, key, title, options.plots / f"study-{protocol}-{key}.png")
    if options.json is not None:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
