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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch
import tyro
from ablation_figures import COMPARED, HORIZONS, measure, row
from ablation_variants import BASE, EXPONENT, VARIANTS, changes, config_of
from cells import Cell, Figures, run_all
from rich.console import Console
from tables import lay_out

from learned_envs import registry
from learned_envs.collect.touching import seen_geometry
from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.fit import Dataset
from learned_envs.fit.model import make_family
from learned_envs.fit.training import SAVE_SECONDS, Training
from learned_envs.stepping import BatchStep
from learned_envs.systems.spec import SystemSpec
from learned_envs.workers import usable_cores

TIMED_UPDATES = 5
"""Updates at each horizon whose time is taken before a training."""

ENVS = 1024
"""States at once, when a step is timed."""


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
        fit = asdict(config_of(self.variant, self.seed))
        own = {name: to for name, to in changes(self.variant).items() if name == EXPONENT}
        return {"fit": fit, "data": data, **own}

    def run(self) -> Figures:
        """Train and measure."""
        dataset, config = Dataset.open(self.options.data), config_of(self.variant, self.seed)
        recording, kept_back = without_the_last(dataset.load())
        seen, held_out = recording.split(config.training.held_out, config.training.seed)
        data, checked = (Trajectories.of(part, dataset.spec) for part in (seen, held_out))
        card = {"task": self.options.task}
        self.folder.mkdir(parents=True, exist_ok=True)
        specs = {
            most: seen_geometry(dataset.spec, self.options.task, seen, most)[0]
            for most in {config_of(BASE, 0).training.most_pairs, config.training.most_pairs}
        }
        cost = self.cost(specs, data, checked)
        updates = self.options.updates
        if self.options.equal == "time":
            updates = max(1, round(updates / cost))
        torch.manual_seed(self.seed)
        spec = specs[config.training.most_pairs]
        dynamics = Ensemble(make_family(config), spec, config.training.members)
        settings = replace(config.training, updates=updates)
        training = Training(dynamics, data, checked, settings, self.folder, card, True)
        if (exponent := changes(self.variant).get(EXPONENT)) is not None:
            unit, change = training.loss.unit, training.loss.change.clamp_min(1e-8)
            unit *= (change / unit) ** (2 * exponent - 1)
        saved = time.monotonic()
        while not training.finished:
            training.advance()
            if time.monotonic() - saved > SAVE_SECONDS or training.finished:
                training.save()
                saved = time.monotonic()
        held = Trajectories.of(kept_back, dataset.spec)
        return {"updates": updates, "cost": cost, **measure(dynamics.eval(), held)}

    def cost(
        self, specs: Mapping[int, SystemSpec], data: Trajectories, held_out: Trajectories
    ) -> float:
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
                    dynamics = Ensemble(
                        make_family(config), specs[training.most_pairs], training.members
                    )
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
        config = config_of(self.variant, 0)
        return {"options": config.options, "most_pairs": config.training.most_pairs}

    def run(self) -> Figures:
        """Time steps of one member."""
        dataset = Dataset.open(self.options.data)
        recording, config = dataset.load(), config_of(self.variant, 0)
        most = config.training.most_pairs
        spec, _ = seen_geometry(dataset.spec, self.options.task, recording, most)
        dynamics = Ensemble(make_family(config), spec, 1)
        data = Trajectories.of(recording, spec)
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
