"""Which ingredient of a model and of its training pays?

    learned-envs collect Ant-v5 --steps 150000 --learners 2 --out data/ant
    python benchmarks/ablation.py --task Ant-v5 --data data/ant
    python benchmarks/ablation.py --task Ant-v5 --data data/ant --variant base width-256 --seeds 3

Every cell, a variant with a seed, is one member. The base takes `--updates`, and each variant as
many as take the same time of the processor: how long an update of either takes is measured in turn
before. With `--equal updates` all take as many. `VARIANTS` says what is changed: options of the
family, and settings of the training. Sensors are left out, because they do not change the motion.

The last learner's episodes are kept back, and errors are measured on them: the median of the
standardised squared error over windows that are as long as the horizon. The ratio to the base is
that after 25 steps, seed by seed. The spread is that of states at the end of the longest windows,
over the recorded one's: the median over dimensions. A step's time is the processor's, for each of
1,024 states, of the model alone, compiled. Several seeds are a geometric mean; the smallest and the
largest ratio stand behind it.

Each cell has a folder below `--out`. A sweep that was killed goes on with the same command.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import geometric_mean
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
import tyro
from cells import Cell, Figures, run_all
from rich.console import Console
from tables import lay_out

from learned_envs import registry
from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.errors import UnknownNameError
from learned_envs.evaluation.evaluation import Yardstick, offset, still
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, train
from learned_envs.fit.model import make_family
from learned_envs.fit.training import Training
from learned_envs.stepping import BatchStep
from learned_envs.workers import usable_cores

HORIZONS = (1, 10, 25, 50, 100)
"""Steps after which errors are shown, if episodes that were kept back are so long."""

COMPARED = 25
"""Steps after which a variant's error is set beside the base's."""

WINDOWS = 1000
"""Windows that each error is measured on."""

TIMED_UPDATES = 5
"""Updates at each horizon whose time is taken before a training."""

ENVS = 1024
"""States at once, when a step is timed."""

BASE = "base"

VARIANTS: dict[str, dict[str, Any]] = {
    BASE: {},
    "substeps-2": {"substeps": 2},
    "substeps-3": {"substeps": 3},
    "substeps-5": {"substeps": 5},
    "width-256": {"hidden": (256, 256, 256)},
    "width-384": {"hidden": (384, 384, 384)},
    "depth-2": {"hidden": (256, 256)},
    "depth-4": {"hidden": (192, 192, 192, 192)},
    "batch-128": {"batch_size": 128},
    "batch-512": {"batch_size": 512},
    "rate-2e-3": {"learning_rate": 2e-3},
    "rate-3e-3": {"learning_rate": 3e-3},
    "windows-2": {"horizons": (2,)},
    "windows-2-4": {"horizons": (2, 4)},
    "windows-to-16": {"horizons": (2, 4, 8, 16)},
    "windows-to-32": {"horizons": (2, 4, 8, 16, 32)},
    "members-3": {"members": 3},
    "members-5": {"members": 5},
    "no-contacts": {"contact_geometry": False},
    "no-correction": {"position_correction": False},
}
"""What each changes: options of the family, and settings of the training, by their names."""


@dataclass(frozen=True)
class Options:
    """Train variants of a model alike and compare their errors."""

    task: str
    """Name of the task."""
    data: Path
    """A dataset of it, with learners in it."""
    variant: tuple[str, ...] = tuple(VARIANTS)
    """Names of what is changed, from VARIANTS; several may be joined by a plus."""
    seeds: int = 1
    """Trainings of each."""
    updates: int = 2000
    """Gradient steps of the base."""
    equal: Literal["time", "updates"] = "time"
    """What all variants have as much of."""
    out: Path = Path("runs/ablation")
    """Where the cells are kept."""
    workers: int = usable_cores()
    """Cells trained at once, each in a process of one thread."""
    speed: bool = True
    """Whether steps are timed."""
    markdown: Path | None = None
    """Where to write the table."""


def changes(variant: str) -> dict[str, Any]:
    """Return what a variant changes.

    Raises:
        UnknownNameError: if there is no such variant.
    """
    changed: dict[str, Any] = {}
    for name in variant.split("+"):
        if name not in VARIANTS:
            raise UnknownNameError("variant", name, VARIANTS)
        changed |= VARIANTS[name]
    return changed


def config_of(variant: str, seed: int) -> FitConfig:
    """Return how a variant is trained, but for its number of updates."""
    changed = changes(variant)
    of_training = TrainingConfig.__dataclass_fields__
    training = {name: value for name, value in changed.items() if name in of_training}
    options = {name: value for name, value in changed.items() if name not in of_training}
    # One member, and enough patience that no training stops early.
    plainest = TrainingConfig(members=1, horizons=(2, 4, 8), patience=10**9, seed=seed)
    return FitConfig(options=options, training=replace(plainest, **training))


@dataclass(frozen=True)
class Trained(Cell):
    """A training of a variant."""

    variant: str
    seed: int
    options: Options

    @property
    def folder(self) -> Path:
        """The training's folder."""
        budget = f"{self.options.updates}-equal-{self.options.equal}"
        where = self.options.out / self.options.task / budget
        return where / self.variant / f"seed-{self.seed}"

    @property
    def settings(self) -> Figures:
        """What the figures depend on."""
        data = Dataset.open(self.options.data).digest
        return {"fit": asdict(config_of(self.variant, self.seed)), "data": data}

    def run(self) -> Figures:
        """Train and measure."""
        dataset, config = Dataset.open(self.options.data), config_of(self.variant, self.seed)
        recording, kept_back = without_the_last(dataset.load())
        seen, held_out = recording.split(config.training.held_out, config.training.seed)
        data, checked = (Trajectories.of(part, dataset.spec) for part in (seen, held_out))
        card = {"task": self.options.task}
        self.folder.mkdir(parents=True, exist_ok=True)
        cost = self.cost(dataset, data, checked)
        updates = self.options.updates
        if self.options.equal == "time":
            updates = max(1, round(updates / cost))
        training = replace(config.training, updates=updates, check_every=-(-updates // 2))
        torch.manual_seed(self.seed)
        dynamics = Ensemble(make_family(config), dataset.spec, training.members)
        dynamics = train(dynamics, data, checked, training, self.folder, card)
        held = Trajectories.of(kept_back, dataset.spec)
        return {"updates": updates, "cost": cost, **measure(dynamics, held)}

    def cost(self, dataset: Dataset, data: Trajectories, held_out: Trajectories) -> float:
        """Measure how many times the base's time an update takes, over all horizons; once."""
        if self.variant == BASE:
            return 1.0
        stored = self.folder / "cost"
        if not stored.is_file():
            times = {BASE: 0.0, self.variant: 0.0}
            with TemporaryDirectory() as folder:
                trials = {}
                for name in times:
                    config = config_of(name, self.seed)
                    updates = TIMED_UPDATES * len(config.training.horizons)
                    training = replace(config.training, updates=updates)
                    dynamics = Ensemble(make_family(config), dataset.spec, training.members)
                    given = (training, Path(folder), {"task": self.options.task}, True)
                    trials[name] = Training(dynamics, data, held_out, *given)
                for _, (name, trial) in product(range(TIMED_UPDATES), trials.items()):
                    begin = time.process_time()
                    for _ in trial.config.horizons:
                        trial.advance()
                    times[name] += (time.process_time() - begin) / len(trial.config.horizons)
            stored.write_text(repr(times[self.variant] / times[BASE]))
        return float(stored.read_text())

    def line(self, figures: Figures) -> str:
        """Say how far rollouts are off."""
        errors = " / ".join(f"{error:.2g}" for error in figures["medians"].values())
        return f"{self.variant}, seed {self.seed}, {figures['updates']} updates: {errors}"


@dataclass(frozen=True)
class Timed(Cell):
    """A variant's step, of random weights."""

    variant: str
    options: Options

    @property
    def folder(self) -> Path:
        """Where the figure is kept."""
        return self.options.out / self.options.task / "speed" / self.variant

    @property
    def settings(self) -> Figures:
        """What the figure depends on."""
        return {"options": config_of(self.variant, 0).options}

    def run(self) -> Figures:
        """Time steps of one member."""
        dataset = Dataset.open(self.options.data)
        dynamics = Ensemble(make_family(config_of(self.variant, 0)), dataset.spec, 1)
        data = Trajectories.of(dataset.load(), dataset.spec)
        window = data.window(data.draw((ENVS,), 1, torch.Generator().manual_seed(0)), 1)
        step = BatchStep(dynamics.step, compile=True)
        times = []
        with torch.inference_mode():
            step(window.start, window.actions[:, 0])
            for _ in range(10):
                begin = time.process_time()
                for _ in range(5):
                    step(window.start, window.actions[:, 0])
                times.append((time.process_time() - begin) / 5 / ENVS)
        return {"microseconds": 1e6 * min(times)}

    def line(self, figures: Figures) -> str:
        """Say how long a step takes."""
        return f"{self.variant}: {figures['microseconds']:.2g} microseconds a step"


def without_the_last(recording: Recording) -> tuple[Recording, Recording]:
    """Split a recording into what is learned from and the last learner's episodes."""
    learners = sorted({actor for actor in recording.actors if actor.startswith("learner:")})
    if not learners:
        raise SystemExit("Got a dataset without learners. Record it with --learners 2.")
    last = [actor == learners[-1] for actor in recording.actors]
    kept, rest = ([i for i, own in enumerate(last) if own is which] for which in (True, False))
    return recording.select(rest), recording.select(kept)


@torch.no_grad()
def measure(dynamics: Ensemble, held: Trajectories) -> Figures:
    """Roll the members' mean out along windows that were kept back, beside holding the first state.

    Returns:
        Medians and means of the error by horizon, those of holding, and the ratio of spreads.
    """
    spec, kinematics = dynamics.spec, dynamics.kinematics
    yardstick = Yardstick.of(held, kinematics, spec.cyclic)
    medians, means, holding, spread = {}, {}, {}, 1.0
    for horizon in HORIZONS:
        if horizon > held.longest:
            break
        rows = held.draw((WINDOWS,), horizon, torch.Generator().manual_seed(0))
        window = held.window(rows, horizon)
        state, true = window.start, window.after(horizon)
        for t in range(horizon):
            reached = dynamics.step(state, window.actions[:, t]).state
            state = reached.where(dynamics.inside(reached), state)
            state = window.told(state, t + 1, dynamics.computes)
        error = yardstick.error(state, true)
        medians[str(horizon)], means[str(horizon)] = error.median().item(), error.mean().item()
        holding[str(horizon)] = yardstick.error(window.start, true).median().item()
        origin = still(true)
        inside, outside = (offset(kinematics, origin, s).std(0) for s in (state, true))
        spread = (inside / outside)[yardstick.weight > 0].median().item()
    return {"medians": medians, "means": means, "hold": holding, "spread": spread}


def row(variant: str, found: Mapping[int, Figures], base: Mapping[int, Figures]) -> list[str]:
    """Return the cells of a variant's row but for its time, seeds taken together."""
    each = list(found.values())

    def mean(of: Sequence[float]) -> str:
        return f"{geometric_mean(of):.2g}" if of else ""

    def errors(kind: str, horizon: int, of: Iterable[Figures] = each) -> list[float]:
        return [f[kind][str(horizon)] for f in of if str(horizon) in f[kind]]

    pairs = [errors("medians", COMPARED, (found[s], base[s])) for s in found if s in base]
    ratios = [pair[0] / pair[1] for pair in pairs if pair]
    ratio = mean(ratios)
    if len(ratios) > 1:
        ratio += f" ({min(ratios):.2g} to {max(ratios):.2g})"
    return [
        *(mean(errors("medians", horizon)) for horizon in HORIZONS),
        mean(errors("means", COMPARED)),
        ratio,
        mean([figures["spread"] for figures in each]),
        f"{geometric_mean([figures['updates'] for figures in each]):,.0f}",
        mean([figures["cost"] for figures in each]),
    ]


def table(options: Options) -> str:
    """Return what is finished as a table in Markdown."""
    columns = (
        *(f"{horizon}" for horizon in HORIZONS),
        *(f"mean at {COMPARED}", "times base", "spread", "updates", "an update", "microseconds"),
    )
    finished = {
        variant: {
            seed: figures
            for seed in range(options.seeds)
            if (figures := Trained(variant, seed, options).figures()) is not None
        }
        for variant in options.variant
    }
    rows: dict[str, list[str]] = {}
    for variant, found in finished.items():
        if not found:
            continue
        timed = Timed(variant, options).figures()
        last = "" if timed is None else f"{timed['microseconds']:.2g}"
        rows[variant] = [*row(variant, found, finished.get(BASE, {})), last]
        holding = next(iter(found.values()))["hold"]
    if rows:
        shown = [f"{holding[str(h)]:.2g}" if str(h) in holding else "" for h in HORIZONS]
        rows["hold"] = [*shown, *[""] * (len(columns) - len(shown))]
    return lay_out(columns, rows).replace("| task |", "| variant |")


def main(options: Options) -> None:
    options = replace(options, task=registry.task_of(options.task))
    # Seed after seed, so that the table of one seed is complete as early as possible.
    cells: list[Cell] = [
        Trained(variant, seed, options)
        for seed, variant in product(range(options.seeds), options.variant)
    ]
    if options.speed:
        cells += [Timed(variant, options) for variant in options.variant]
    console = Console(width=160)
    run_all(cells, options.workers, console)
    text = table(options)
    console.print(text, markup=False, soft_wrap=True)
    if options.markdown is not None:
        options.markdown.write_text(text + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
