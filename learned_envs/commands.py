"""The commands: their options, and what they do and print.

The fields of a command are its options, and the docstrings below them are its help. A command
imports torch only when it runs, so that help is fast.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from learned_envs import registry
from learned_envs.errors import ParameterError, WeightsNotShippedError
from learned_envs.fit.config import FitConfig, RoundsConfig, TrainingConfig
from learned_envs.terminal import bars, card_table, console, fit_observer, key_figures, show_report


@dataclass(frozen=True)
class List:
    """List the tasks, their environments, whether weights are shipped, and the families."""

    def run(self) -> None:
        """Print them."""
        from rich.table import Table

        from learned_envs.card import read_card

        table = Table("task", "environment", "weights")
        for task in registry.TASKS:
            try:
                weights = key_figures(read_card(registry.env_id(task)))
            except WeightsNotShippedError:
                weights = f"none yet: learned-envs fit {task}"
            table.add_row(task, registry.env_id(task), weights)
        console().print(table)
        names = [f + " (default)" * (f == registry.DEFAULT_FAMILY) for f in registry.FAMILIES]
        console().print(f"families: {', '.join(names)}")


@dataclass(frozen=True)
class Demo:
    """Train a PPO agent inside the learned Hopper and score it in the real one."""

    steps: int = 1_000_000
    """Steps of training."""
    out: Path = Path("demo")
    """Where the pictures go."""
    seed: int = 0
    """Seeds the training."""
    interrupted = "Nothing was kept."

    def run(self) -> None:
        """Run it and print its table."""
        import torch

        from learned_envs.transfer import run_demo

        # At this size threads wait for each other more than they help, most of all on a busy
        # machine.
        torch.set_num_threads(1)
        with bars() as bar:
            advance = bar("training inside", self.steps)
            result = run_demo(
                self.out, self.steps, self.seed, on_progress=lambda done: advance(done, "")
            )
        console().print(result.table())
        for path in (result.plot, result.gif):
            if path is not None:
                print(f"wrote {path}")
        for note in result.notes:
            print(note)


@dataclass(frozen=True)
class Fit:
    """Fit a model of a task's system from real MuJoCo."""

    task: Annotated[Positional[str], arg(metavar="TASK")]
    """Which task; `learned-envs list` names them."""
    family: Annotated[Positional[str], arg(metavar="FAMILY")] = registry.DEFAULT_FAMILY
    """Which model family."""
    data: Annotated[Path | None, arg(metavar="PATH")] = None
    """A dataset to learn from, ours or Minari's. If not given, one is recorded in the folder."""
    start: Annotated[str, arg(name="from", metavar="CHECKPOINT|shipped|none")] = "none"
    """What to start from: a fit's folder, a checkpoint, the shipped weights, or a new model."""
    steps: int = 1_000_000
    """Real steps to record; not used with --data or --rounds."""
    learners: int = 3
    """PPO agents that are recorded while they learn outside, beside a random actor; likewise."""
    out: Annotated[Path | None, arg(metavar="PATH")] = None
    """The fit's folder; runs/TASK in lower case if not given."""
    resume: bool = False
    """Go on with the fit in the folder, with the settings that it was begun with."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """Where to train. If not given: a GPU if there is one."""
    option: Annotated[tuple[str, ...], arg(metavar="NAME=VALUE ...")] = ()
    """Options of the family, such as hidden=128,128 or substeps=2."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    improvement: RoundsConfig = field(default_factory=RoundsConfig)

    def run(self) -> None:
        """Fit and print the report."""
        task = registry.task_of(self.task)
        config = FitConfig(
            family=self.family,
            options=dict(_read_option(text) for text in self.option),
            data=None if self.data is None else str(self.data),
            steps=self.steps,
            learners=0 if self.data or self.improvement.count else _learners(task, self.learners),
            start=None if self.start == "none" else self.start,
            training=self.training,
            rounds=self.improvement,
        )
        from learned_envs.card import read_card
        from learned_envs.evaluation.report import Report
        from learned_envs.fit.run import fit
        from learned_envs.sb3 import learn_outside

        with bars() as bar:
            fit(
                task,
                self.folder,
                config,
                learner=learn_outside,
                resume=self.resume,
                device=self.device,
                observer=fit_observer(bar),
            )
        if errors := read_card(self.folder).held_out:
            show_report(Report.of(errors))
        print(f"wrote {self.folder}")
        print(f'gym.make("{registry.env_id(task)}", checkpoint="{self.folder}")')

    @property
    def folder(self) -> Path:
        """The fit's folder."""
        return self.out or Path("runs") / registry.task_of(self.task).lower()

    @property
    def interrupted(self) -> str:
        """What to tell a user who pressed Ctrl-C."""
        return f"Go on with: learned-envs fit {self.task} --out {self.folder} --resume"


@dataclass(frozen=True)
class Collect:
    """Record episodes of a task's real environment into a dataset."""

    task: Annotated[Positional[str], arg(metavar="TASK")]
    """Which task."""
    out: Path
    """The dataset's folder; a collection that was interrupted goes on there."""
    steps: int
    """Steps to record, shared evenly between all who act."""
    learners: int = 3
    """PPO agents that are recorded while they learn in the real environment."""
    planners: int = 0
    """Planners that are recorded while they search in MuJoCo, for models to plan with."""
    agent: UseAppendAction[Annotated[tuple[tuple[Path, ...], ...], arg(metavar="PATH ...")]] = ()
    """Trained agents to record: folders with an agent.safetensors, or zips of SB3's PPO, SAC or
    TD3. A zip can run code: give only those that you trust."""
    add: bool = False
    """Add to the dataset that is there; most episodes then start near its states."""
    seed: int = 0
    """Decides everything that is drawn."""
    interrupted = "Give the same command again to go on."

    def run(self) -> None:
        """Record and say what there is."""
        from learned_envs.collect.collection import collect
        from learned_envs.collect.planner import plan_outside
        from learned_envs.data.dataset import Dataset
        from learned_envs.sb3 import SavedAgent, learn_outside

        learners = _learners(registry.task_of(self.task), self.learners)
        agents = [SavedAgent(path) for paths in self.agent for path in paths]
        with bars() as bar:
            advance = bar("recording", self.steps)
            dataset = collect(
                self.task,
                self.steps,
                Dataset.open(self.out) if self.add else self.out,
                policies={f"{i}-{agent.name}": agent for i, agent in enumerate(agents)},
                drivers={
                    **{f"ppo-{index}": learn_outside for index in range(learners)},
                    **{f"planner-{index}": plan_outside for index in range(self.planners)},
                },
                seed=self.seed,
                on_progress=lambda done: advance(done, f"{done:,} of {self.steps:,} steps"),
            )
        print(f"wrote {self.out}: {dataset.steps:,} steps in {dataset.episodes:,} episodes")


@dataclass(frozen=True)
class Evaluate:
    """Roll a fitted model out along recorded episodes and measure how far it strays."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN")]
    """A fit's folder, a checkpoint, or the name or id of a task with shipped weights."""
    data: Annotated[Path | None, arg(metavar="PATH")] = None
    """A dataset to measure on. If not given: the episodes that the fit held out."""
    trajectories: int = 2000
    """How many stretches of the episodes to roll out along."""
    plot: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to draw the errors. If not given: errors.png in the fit's folder, or here."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """Where to roll out. If not given: a GPU if there is one."""

    def run(self) -> None:
        """Measure, print and draw."""
        from learned_envs.fit.folder import PLOT_FILE
        from learned_envs.fit.run import evaluate_run

        report, where = evaluate_run(self.run_or_id, self.data, self.trajectories, self.device)
        show_report(report)
        print(where)
        folder = Path(self.run_or_id)
        plot = self.plot or (folder if folder.is_dir() else Path()) / PLOT_FILE
        report.plot(plot)
        print(f"wrote {plot}")


@dataclass(frozen=True)
class Info:
    """Show the card of weights: what they are, where they come from and how good they are."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN_OR_ID")]
    """A fit's folder, a checkpoint, or the name or id of a task with shipped weights."""

    def run(self) -> None:
        """Print it."""
        from learned_envs.card import find_checkpoint, read_card
        from learned_envs.evaluation.report import Report

        card = read_card(self.run_or_id)
        console().print(card_table(card, find_checkpoint(self.run_or_id)))
        if card.held_out is not None:
            show_report(Report.of(card.held_out))


@dataclass(frozen=True)
class ExportMinari:
    """Write a dataset in Minari's format; needs the extra `minari`."""

    data: Annotated[Positional[Path], arg(metavar="DATA")]
    """A dataset of this package."""
    out: Path
    """A folder that does not exist yet, or an id: mujoco/hopper/mine-v0 or minari:mine-v0."""

    def run(self) -> None:
        """Write it."""
        from learned_envs.data.dataset import Dataset
        from learned_envs.data.minari import export_minari

        print(f"wrote {export_minari(Dataset.open(self.data), self.out)}")


def _learners(task: str, asked: int) -> int:
    """Return how many agents learn while a task is recorded: none if there is nothing to do."""
    return asked if registry.task_entry(task).driven else 0


def _read_option(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value with commas is a list."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ParameterError(f"Got --option {text}, expected NAME=VALUE, such as substeps=2.")
    for candidate in (value, f"[{value}]" if "," in value else value, value.lower()):
        try:
            return name, json.loads(candidate)
        except ValueError:
            continue
    return name, value
