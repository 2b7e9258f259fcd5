"""One training of one variant, in a folder of its own."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from ablation_variants import VARIANTS, Variant, register

from learned_envs import Simulation, catalogue
from learned_envs.dynamics import Ensemble
from learned_envs.errors import LearnedEnvsError, OutputError
from learned_envs.fit.config import TrainingConfig
from learned_envs.fit.evaluation import compare
from learned_envs.fit.minari_exchange import open_dataset
from learned_envs.fit.recording import Recording
from learned_envs.fit.report import Report
from learned_envs.fit.shard import write_whole
from learned_envs.fit.training import Progress, train
from learned_envs.state import SystemSpec

HORIZONS = (1, 10, 25, 50, 100)

HELD_OUT, UNSEEN = "held-out episodes", "unseen policies"
"""What errors are measured on: episodes of the training's dataset, and of a second one."""

SPLIT_SEED = 0
"""Decides which episodes are held out, for every seed of the training alike."""

STEPPED = 1024
"""Environments that are stepped at once where speed is measured."""

SETTINGS_FILE, RESULT_FILE = "settings.json", "result.json"


@dataclass(frozen=True)
class Result:
    """What a finished cell's folder says.

    Attributes:
        minutes: the training's time on one core; None where it was not measured.
        speed: environment steps per second of one core.
        reports: by what they were measured on.
    """

    minutes: float | None
    speed: float
    reports: dict[str, Report]

    def error(self, where: str, curve: str, horizon: int, statistic: str) -> float | None:
        """Return the median or the mean; None at horizons longer than every episode."""
        report = self.reports[where]
        if horizon not in report.horizons:
            return None
        errors: tuple[float, ...] = getattr(report.curve(curve), statistic)
        return errors[report.horizons.index(horizon)]


@dataclass(frozen=True)
class Cell:
    """One training of one variant.

    Attributes:
        task: name of the task.
        name: of the variant.
        seed: of the training.
        data: the dataset to learn from, and to measure on its held-out episodes.
        held_out: a second dataset to measure on.
        folder: where all that is known of the cell is.
        updates: gradient steps.
        batch_size: windows in one gradient step, for each member.
        trajectories: windows that errors are measured on.
    """

    task: str
    name: str
    seed: int
    data: Path
    held_out: Path | None
    folder: Path
    updates: int
    batch_size: int
    trajectories: int

    @property
    def variant(self) -> Variant:
        """What is trained."""
        return VARIANTS[self.name]

    @property
    def training(self) -> TrainingConfig:
        """How it is trained."""
        # With that much patience none stops early, and all take the same number of updates.
        shared = TrainingConfig(
            members=1,
            updates=self.updates,
            batch_size=self.batch_size,
            patience=self.updates,
            seed=self.seed,
        )
        return replace(shared, **self.variant.training)

    @property
    def settings(self) -> dict[str, Any]:
        """What the weights depend on, beside the code, as plain data."""
        settings = {
            "data": open_dataset(self.data, self.task).digest,
            "family": asdict(self.variant.family),
            "training": asdict(self.training),
        }
        plain: dict[str, Any] = json.loads(json.dumps(settings))
        return plain

    @property
    def measured(self) -> dict[str, Any]:
        """What the errors depend on, beside the weights, as plain data."""
        unseen = None if self.held_out is None else open_dataset(self.held_out, self.task).digest
        return {UNSEEN: unseen, "trajectories": self.trajectories}

    def claim(self) -> None:
        """Make the folder.

        Raises:
            OutputError: where what it holds was made with other settings.
        """
        stored = _read(self.folder / SETTINGS_FILE)
        if stored not in (None, self.settings):
            raise OutputError(
                f"{self.folder} holds a training with {stored}, expected {self.settings}. Choose "
                "another --out, or delete the folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / SETTINGS_FILE, self.settings)

    def result(self) -> Result | None:
        """Read the figures; None where the cell is unfinished or of other settings."""
        stored = _read(self.folder / RESULT_FILE)
        if stored is None or stored["measured"] != self.measured:
            return None
        if _read(self.folder / SETTINGS_FILE) != self.settings:
            return None
        reports = {name: Report.from_dict(report) for name, report in stored["reports"].items()}
        return Result(stored["minutes"], stored["speed"], reports)

    def run(self) -> None:
        """Train and measure; what an earlier run has trained is not trained again."""
        dataset = open_dataset(self.data, self.task)
        recordings = dataset.load().split(self.training.held_out, SPLIT_SEED)
        updates: list[int] = []
        begin = time.process_time()
        dynamics = fit_variant(
            self.variant,
            recordings,
            dataset.spec,
            self.task,
            self.training,
            self.folder,
            lambda progress: updates.append(progress.update),
        )
        minutes = (_read(self.folder / RESULT_FILE) or {}).get("minutes")
        if updates:
            # A training that was resumed is charged for the whole at the rate of its last part.
            before, whole = (self.training.predictions(n) for n in (updates[0] - 1, updates[-1]))
            minutes = (time.process_time() - begin) / 60 * whole / (whole - before)
        task = catalogue.task_class(self.task).create(dataset.spec, {})
        simulation = Simulation(task, dynamics)
        measured_on = {HELD_OUT: recordings[1]}
        if self.held_out is not None:
            measured_on[UNSEEN] = open_dataset(self.held_out, self.task).load()
        reports = {
            name: compare(
                recording,
                simulation,
                {"model": self.variant.predictor(simulation, recording)},
                HORIZONS,
                self.trajectories,
            ).to_dict()
            for name, recording in measured_on.items()
        }
        speed = steps_per_second(simulation)
        figures = {"minutes": minutes, "speed": speed, "reports": reports}
        _write(self.folder / RESULT_FILE, {"measured": self.measured, **figures})


def fit_variant(
    variant: Variant,
    recordings: tuple[Recording, Recording],
    spec: SystemSpec,
    task: str,
    config: TrainingConfig,
    out: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> Ensemble:
    """Train a variant on the first recording; the second decides which weights are best."""
    sensors = catalogue.task_class(task).sensors
    places = sensors.values()
    learned_from = variant.data(recordings[0], spec, "cpu", places)
    held_out = variant.held_out(recordings[1], spec, "cpu", places)
    torch.manual_seed(config.seed)
    untrained = variant.ensemble(variant.family, spec, config.members, [*sensors])
    card = {"task": task}
    best = train(untrained, learned_from, held_out, config, out, card, on_progress=on_progress)
    # A checkpoint is read as the package's own ensemble.
    dynamics = variant.ensemble(variant.family, spec, config.members, [*sensors])
    dynamics.load_state_dict(best.state_dict())
    return dynamics.eval().requires_grad_(False)


def run_cell(cell: Cell) -> str | None:
    """Train and measure a cell in a worker; say why where it fails, for the others to go on."""
    register()
    try:
        cell.claim()
        cell.run()
    except LearnedEnvsError as error:
        return str(error)
    return None


@torch.no_grad()
def steps_per_second(simulation: Simulation, rounds: int = 5, steps: int = 20) -> float:
    """Return environment steps per second of one core's own time, whatever else it works on."""
    generator = torch.Generator().manual_seed(0)
    start = simulation.reset(STEPPED, generator)
    low, high = simulation.dynamics.control_low, simulation.dynamics.control_high
    action = low + (high - low) * torch.rand(STEPPED, len(low), generator=generator)
    speeds = []
    for _ in range(rounds):
        state, begin = start, time.process_time()
        for _ in range(steps):
            state = simulation.step(state, action).state
        speeds.append(STEPPED * steps / (time.process_time() - begin))
    return statistics.median(speeds)


def _read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.exists() else None


def _write(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, json.dumps(content, indent=1).encode())
