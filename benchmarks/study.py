"""Which inductive bias pays? Every model family on pendulums and on MuJoCo's walkers.

    python benchmarks/study.py                                  # everything, two hours on two cores
    python benchmarks/study.py --system ChainPendulum-2 --family second_order hamiltonian --seeds 1

The protocol "paper" is that of Gruver, Finzi, Stanton and Wilson ("Deconstructing the Inductive
Biases of Hamiltonian Neural Networks", ICLR 2022). It has 40,000 windows, of 5 states for pendulums
and of 3 steps for walkers, networks of 2x128 tanh, no contact geometry, and tests of 200 and 100
steps. The protocol "ours" trains on windows of 2, 4 and 8 steps, and shows contact geometry to
networks of 3x192. It trains the four families that lead on the walkers under "paper". Every cell, a
system with a family and a seed, takes as many updates with batches of the same size.

The error of a rollout is the geometric mean, over its steps, of the standardised squared error. The
table has its median over rollouts, and its mean in brackets. Both are geometric means over seeds.
The smallest and the largest median of a seed follow. Energy is that of the MJCF's masses and
springs. Its error at a rollout's end is in units of its standard deviation.

Each cell has a folder below `--out`. A study that was killed goes on with the same command.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from cells import Cell, Figures, fit_or_resume, run_all
from rich.console import Console
from study_results import HOLD, TITLES, Summaries, leaders, plot, summarise, table

from learned_envs import Simulation, registry
from learned_envs.data.trajectories import Trajectories
from learned_envs.evaluation.evaluation import Yardstick, hold, model_of
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect
from learned_envs.kinematics import Inertia
from learned_envs.sb3 import learn_outside
from learned_envs.state import State
from learned_envs.workers import usable_cores

Protocol = Literal["paper", "ours"]

PENDULUMS = (
    "ChainPendulum-2",
    "FrictionalChainPendulum-2",
    "SpringPendulum-2",
    "FrictionalSpringPendulum-2",
    "ContactPendulum",
)
WALKERS = ("Swimmer", "Hopper", "HalfCheetah")


@dataclass(frozen=True)
class Options:
    """Train every family on every system alike, and compare their rollouts."""

    system: tuple[str, ...] = PENDULUMS + WALKERS
    """Names of the tasks."""
    family: tuple[str, ...] = tuple(registry.FAMILIES)
    """Names of the model families."""
    protocol: tuple[Protocol, ...] = ("paper", "ours")
    """How they are trained."""
    seeds: int = 3
    """Trainings of each family on each system."""
    windows: int = 40_000
    """Real steps that each is trained on."""
    updates: int = 1000
    """Gradient steps of each training."""
    trajectories: int = 500
    """Recorded trajectories that models are rolled out along."""
    out: Path = Path("runs/study")
    """Where data and cells are kept."""
    workers: int = usable_cores()
    """Cells trained at once, each in a process of one thread."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plots: Path | None = None
    """A folder for the two pictures."""


@dataclass(frozen=True)
class Training(Cell):
    """A training of a family on a system."""

    system: str
    family: str
    protocol: Protocol
    seed: int
    options: Options

    @property
    def folder(self) -> Path:
        """The fit's folder."""
        return self.options.out / self.protocol / self.system / self.family / f"seed-{self.seed}"

    @property
    def config(self) -> FitConfig:
        """How it is trained."""
        horizons = {"paper": (4,) if self.system in PENDULUMS else (3,), "ours": (2, 4, 8)}
        updates = self.options.updates
        # One member, and enough patience that no training stops early.
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
        known = registry.family_class(self.family).__dataclass_fields__
        if "contact_geometry" in known:
            options["contact_geometry"] = self.protocol == "ours"
        if "joint_limits" in known:
            # Only one family can see them.
            options["joint_limits"] = False
        data = str(data_folder(self.options, self.system, test=False))
        return FitConfig(family=self.family, options=options, data=data, training=training)

    @property
    def settings(self) -> Figures:
        """What the figures depend on."""
        data = {
            test: Dataset.open(data_folder(self.options, self.system, test == "test")).digest
            for test in ("train", "test")
        }
        fit = {**asdict(self.config), "data": data}
        return {"fit": fit, "trajectories": self.options.trajectories}

    def run(self) -> Figures:
        """Train and measure."""
        begin = time.process_time()
        simulation = fit_or_resume(self.system, self.folder, self.config, device="cpu")
        minutes = (time.process_time() - begin) / 60
        recording = Dataset.open(data_folder(self.options, self.system, test=True)).load()
        held = Trajectories.of(recording, simulation.task.spec)
        return {
            "minutes": minutes,
            "model": measure(simulation, held, self.options.trajectories, model_of(simulation)),
            HOLD: measure(simulation, held, self.options.trajectories, hold),
        }

    def line(self, figures: Figures) -> str:
        """Say how far rollouts are off."""
        return f"{self.folder}, median error {figures['model']['median']:.2g}"


def data_folder(options: Options, system: str, test: bool) -> Path:
    return options.out / "data" / (f"{system}-test" if test else system)


def record(options: Options, system: str) -> None:
    """Record training data and, under another seed, test data."""
    learners = {} if system in PENDULUMS else {"ppo-0": learn_outside}
    for test in (False, True):
        folder = data_folder(options, system, test)
        steps = options.windows // 2 if test else options.windows
        collect(system, steps, folder, drivers=learners, seed=int(test), workers=options.workers)


@torch.no_grad()
def measure(
    simulation: Simulation, held: Trajectories, trajectories: int, predict: Callable[..., Any]
) -> dict[str, float]:
    """Roll out along held-out trajectories; return errors over all steps and energy at the end."""
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


def main(options: Options) -> None:
    console = Console(width=220)
    for system in options.system:
        record(options, registry.task_of(system))
    everything: dict[str, Summaries] = {}
    families: Sequence[str] = options.family
    for protocol in options.protocol:
        walkers = [system for system in options.system if system in WALKERS]
        systems = options.system if protocol == "paper" else walkers
        if protocol == "ours" and "paper" in everything:
            families = leaders(everything["paper"], WALKERS)
        # Seed after seed, so that the table of one seed is complete as early as possible.
        trainings = [
            Training(system, family, protocol, seed, options)
            for seed in range(options.seeds)
            for system in systems
            for family in families
        ]
        if not trainings:
            continue
        run_all(trainings, options.workers, console)
        finished = ((each.system, each.family, each.figures()) for each in trainings)
        figures = everything[protocol] = summarise(finished)
        for key, title in TITLES.items():
            console.print(table(figures, protocol, key))
            if options.plots is not None and figures:
                options.plots.mkdir(parents=True, exist_ok=True)
                plot(figures, key, title, options.plots / f"study-{protocol}-{key}.png")
    if options.json is not None:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options))
