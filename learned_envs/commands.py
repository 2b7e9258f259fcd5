"""The commands: their options, and what they do and print.

The fields of a command are its options, and the docstrings below them are its help. A command
imports torch only when it runs, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta
from tyro.conf import Positional, UseAppendAction, arg

from learned_envs import registry
from learned_envs.documents import card_document, document, report_document, tasks_document
from learned_envs.fit_command import Actors, Keywords, Steps, learners_of, task_with
from learned_envs.schema import Seed
from learned_envs.terminal import (
    bars,
    card_table,
    console,
    show_report,
    tasks_table,
    warn_if_worthless,
)

if TYPE_CHECKING:
    from learned_envs.evaluation.long_run import LongRun


Json = Annotated[bool, arg(help="Print one JSON document, and all else on stderr.")]


@dataclass(frozen=True)
class List:
    """List the tasks, their environments, whether weights are shipped, and the families."""

    json: Json = False

    def run(self) -> None:
        """Print them."""
        if self.json:
            with document() as told:
                told.update(tasks_document())
            return
        console().print(tasks_table())
        names = [f + " (default)" * (f == registry.DEFAULT_FAMILY) for f in registry.FAMILIES]
        console().print(f"families: {', '.join(names)}")


@dataclass(frozen=True)
class Demo:
    """Train a PPO agent inside the learned Hopper and score it in the real one."""

    steps: Steps = 1_000_000
    """Steps of training."""
    out: Path = Path("demo")
    """Where the pictures go."""
    seed: Seed = 0
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
class Collect:
    """Record episodes of a task's real environment into a dataset."""

    task: Annotated[Positional[str], arg(metavar="TASK")]
    """A task, an environment as gym.make takes it, or an MJCF or URDF file."""
    out: Path
    """The dataset's folder; a collection that was interrupted goes on there."""
    steps: Steps
    """Steps to record, shared evenly between all who act."""
    learners: Actors = 3
    """PPO agents that are recorded while they learn in the real environment."""
    planners: Actors = 0
    """Planners that are recorded while they search in MuJoCo, for models to plan with."""
    agent: UseAppendAction[Annotated[tuple[tuple[Path, ...], ...], arg(metavar="PATH ...")]] = ()
    """Trained agents to record: folders with an agent.safetensors, or zips of SB3's PPO, SAC or
    TD3. A zip can run code: give only those that you trust."""
    env_kwargs: Keywords = ()
    """What the environment is made with, such as xml_file=longer.xml frame_skip=4."""
    add: bool = False
    """Add to the dataset that is there; most episodes then start near its states."""
    seed: Seed = 0
    """Decides everything that is drawn."""
    interrupted = "Give the same command again to go on."

    def run(self) -> None:
        """Record and say what there is."""
        from learned_envs.collect.collection import collect
        from learned_envs.collect.planner import plan_outside
        from learned_envs.data.dataset import Dataset
        from learned_envs.sb3 import SavedAgent, learn_outside

        task = task_with(self.task, self.env_kwargs)
        learners = learners_of(task, self.learners)
        agents = [SavedAgent(path) for paths in self.agent for path in paths]
        with bars() as bar:
            advance = bar("recording", self.steps)
            dataset = collect(
                task,
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
    """A fit's folder, a checkpoint, the name or id of a task with shipped weights, a packed file or
    hf://user/name."""
    data: Annotated[Path | None, arg(metavar="PATH")] = None
    """A dataset to measure on. If not given: the episodes that the fit held out."""
    trajectories: Annotated[int, Meta(ge=1, le=10**7)] = 2000
    """How many stretches of the episodes to roll out along."""
    plot: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where to draw the errors. If not given: errors.png in the fit's folder, or here."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """Where to roll out. If not given: a GPU if there is one."""
    agent: UseAppendAction[Annotated[tuple[tuple[Path, ...], ...], arg(metavar="PATH ...")]] = ()
    """Agents to run full episodes of, inside and in the real environment from the same starts; see
    `collect`. What is told is how often they fall."""
    episodes: Annotated[int, Meta(ge=1, le=10**5)] = 50
    """Episodes of each of these agents."""
    json: Json = False

    def run(self) -> None:
        """Measure, print and draw."""
        from learned_envs.evaluation.report import picture_format
        from learned_envs.fit.folder import PLOT_FILE
        from learned_envs.fit.run import evaluate_run

        folder = Path(self.run_or_id)
        plot = self.plot or (folder if folder.is_dir() else Path()) / PLOT_FILE
        picture_format(plot)
        if self.json:
            self._print_json(plot)
            return
        report, where = evaluate_run(self.run_or_id, self.data, self.trajectories, self.device)
        show_report(report)
        print(where)
        report.plot(plot)
        print(f"wrote {plot}")
        for name, run in self._agent_runs():
            print(run.told(name))

    def _print_json(self, plot: Path) -> None:
        """Measure and draw, and print the figures as JSON."""
        from learned_envs.evaluation.long_run import summary
        from learned_envs.fit.run import evaluate_run

        with document() as told:
            report, where = evaluate_run(self.run_or_id, self.data, self.trajectories, self.device)
            warn_if_worthless(report)
            report.plot(plot)
            told.update(report=report_document(report), measured_on=where, plot=str(plot))
            told["agents"] = [
                {"name": name, "episodes": self.episodes, **summary([run])}
                for name, run in self._agent_runs()
            ]

    def _agent_runs(self) -> Iterator[tuple[str, LongRun]]:
        """Run full episodes of agents: (name, how states inside differ from those outside)."""
        if not self.agent:
            return
        from learned_envs.card import read_card
        from learned_envs.checkpoint import find_device
        from learned_envs.evaluation.long_run import long_run
        from learned_envs.sb3 import SavedAgent
        from learned_envs.simulation import Simulation

        card = read_card(self.run_or_id)
        task = card.task
        simulation = Simulation.load(card.pinned or self.run_or_id, find_device(self.device))
        for agent in (SavedAgent(path) for paths in self.agent for path in paths):
            yield agent.name, long_run(agent, task, simulation, self.episodes)


@dataclass(frozen=True)
class Info:
    """Show the card of weights: what they are, where they come from and how good they are."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN_OR_ID")]
    """A fit's folder, a checkpoint, the name or id of a task with shipped weights, a packed file or
    hf://user/name."""
    json: Json = False

    def run(self) -> None:
        """Print it."""
        from learned_envs.card import find_checkpoint, read_card
        from learned_envs.evaluation.report import Report

        card = read_card(self.run_or_id)
        path = find_checkpoint(card.pinned or self.run_or_id)
        if self.json:
            with document() as told:
                told.update(card_document(card, path))
                if card.held_out is not None:
                    warn_if_worthless(Report.of(card.held_out))
            return
        console().print(card_table(card, path))
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
