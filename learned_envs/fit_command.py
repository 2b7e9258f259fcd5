"""The command that fits a model: its options, and what it does and prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from tyro.conf import Positional, Suppress, UseAppendAction, arg

from learned_envs import registry
from learned_envs.errors import ParameterError, TrainingError
from learned_envs.fit.config import FitConfig, RoundsConfig, TrainingConfig
from learned_envs.reference_name import ReferenceName, read_keywords
from learned_envs.report_command import write_after_fit
from learned_envs.schema import decoded
from learned_envs.task_entry import TRACED
from learned_envs.terminal import bars, fit_observer, show_report

Steps = Annotated[int, Meta(ge=1, le=10**10)]
"""Of a real system, or of a simulation."""

Actors = Annotated[int, Meta(ge=0, le=1000)]
"""Who are recorded."""


Keywords = UseAppendAction[Annotated[tuple[tuple[str, ...], ...], arg(metavar="NAME=VALUE ...")]]
"""Names with values, which may be given side by side or one by one."""


@dataclass(frozen=True)
class Fit:
    """Fit a model of a task's system, or of any MuJoCo environment, from real MuJoCo."""

    task: Annotated[Positional[str], arg(metavar="TASK")]
    """A task (`learned-envs list` names them), an environment as gym.make takes it
    (my_robot:MyRobot-v0), or an MJCF or URDF file."""
    family: Annotated[Positional[str], arg(metavar="FAMILY")] = registry.DEFAULT_FAMILY
    """Which model family."""
    data: Annotated[Path | None, arg(metavar="PATH")] = None
    """A dataset to learn from, ours or Minari's. If not given, one is recorded in the folder."""
    start: Annotated[str, arg(name="from", metavar="CHECKPOINT|shipped|none")] = "none"
    """What to start from: a fit's folder, a checkpoint, the shipped weights, or a new model."""
    steps: Steps = 1_000_000
    """Real steps to record; not used with --data or --rounds."""
    learners: Actors = 3
    """PPO agents that are recorded while they learn outside, beside a random actor; likewise."""
    out: Annotated[Path | None, arg(metavar="PATH")] = None
    """The fit's folder; runs/TASK in lower case if not given."""
    resume: bool = False
    """Go on with the fit in the folder, with the settings that it was begun with."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """Where to train. If not given: a GPU if there is one."""
    env_kwargs: Keywords = ()
    """What the environment is made with, such as xml_file=longer.xml frame_skip=4."""
    option: Keywords = ()
    """Options of the family, such as hidden=128,128 or substeps=2."""
    map: Annotated[Path | None, arg(metavar="MAP.toml")] = None
    """What columns mean, if TASK is a folder of a robot's recordings; see `logs check`."""
    model: Annotated[Path | None, arg(metavar="MJCF|URDF")] = None
    """The MJCF or URDF of that robot, if there is one."""
    rules: Annotated[Path | None, arg(metavar="RULES.py")] = None
    """Python functions of what it sees and is paid, and of what ends an episode."""
    simulated: Annotated[int, Meta(ge=0, le=10**9)] = 200_000
    """Steps of the identified MJCF that a fit to recordings learns from at first; 0 for none."""
    report: bool = True
    """Whether a report is written into the folder at the end; see `learned-envs report`."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    improvement: RoundsConfig = field(default_factory=RoundsConfig)
    typed: Annotated[frozenset[str], Suppress] = frozenset()
    """Names of the options that were given, which the command line fills in."""

    def run(self) -> None:
        """Fit, print what came of it, and write the report."""
        folder = self._fit() if self.map is None else self._to_recordings(self.map)
        if self.report:
            write_after_fit(folder, self.device)

    @contextmanager
    def _reported_if_it_fails(self, folder: Path) -> Iterator[None]:
        """Write the report of a training that diverges, too."""
        try:
            yield
        except TrainingError as error:
            if self.report:
                write_after_fit(folder, self.device, str(error))
            raise

    def _fit(self) -> Path:
        task = self.name
        config: FitConfig | None = self._settings(task)
        from learned_envs.fit.run import fit
        from learned_envs.fit.settings import expect_same, stored_settings
        from learned_envs.sb3 import learn_outside

        if self.resume:
            stored = stored_settings(task, self.folder)
            expect_same(self._typed_over(stored), stored, self.folder)
            # Code of the user's that a folder names runs only if it is named here too.
            config = stored if "algorithm" in self.typed else None
        with self._reported_if_it_fails(self.folder), bars() as bar:
            fit(
                task,
                self.folder,
                config,
                learner=learn_outside,
                resume=self.resume,
                device=self.device,
                observer=fit_observer(bar),
            )
        self._told(self.folder)
        return self.folder

    def _told(self, folder: Path) -> None:
        """Print what a fit left in its folder, and how it is used."""
        from learned_envs.card import read_card
        from learned_envs.evaluation.report import Report
        from learned_envs.report.usage import made

        card = read_card(folder)
        if card.held_out:
            show_report(Report.of(card.held_out))
        for note in (*(card.notes or ()), *(card.rules.notes if card.rules else ())):
            print(f"note: {note}")
        print(f"wrote {folder}")
        print(made(card, folder))

    def _to_recordings(self, map_file: Path) -> Path:
        """Fit to a robot's recordings, and say how good each channel is."""
        from learned_envs.logs.fitting import Recorded, fit_recordings
        from learned_envs.logs.map import LogMap
        from learned_envs.logs_command import recordings_observer, show_channels

        log_map = LogMap.read(map_file)
        folder = self.out or Path("runs") / log_map.name.lower()
        recorded = Recorded(Path(self.task), log_map, self.model, self.rules, self.simulated)
        with self._reported_if_it_fails(folder), bars() as bar:
            _, unseen = fit_recordings(
                recorded,
                folder,
                self._settings(None),
                choose=not {"family", "option"} & self.typed,
                device=self.device,
                observer=recordings_observer(bar),
            )
        self._told(folder)
        show_channels(folder, unseen, self.model)
        return folder

    def _settings(self, task: str | None) -> FitConfig:
        """Return the settings of a new fit; recordings have no task yet."""
        records = not self.data and not self.improvement.count
        return FitConfig(
            family=self.family,
            options=dict(read_option(text) for texts in self.option for text in texts),
            data=None if self.data is None else str(self.data),
            steps=self.steps,
            learners=learners_of(task, self.learners) if task and records else 0,
            start=None if self.start == "none" else self.start,
            training=self.training,
            rounds=self.improvement,
        )

    def _typed_over(self, stored: FitConfig) -> FitConfig:
        """Return the settings of a fit that is to go on, with those that were typed in place."""

        def typed(own: TrainingConfig | RoundsConfig) -> dict[str, Any]:
            known = {("rounds" if f.name == "count" else f.name): f.name for f in fields(own)}
            return {name: getattr(own, name) for key, name in known.items() if key in self.typed}

        asked = self._settings(self.name)
        names = {"from": "start", "option": "options"}
        own = {names.get(name, name) for name in self.typed}
        changes = {n: getattr(asked, n) for n in ("data", "steps", "learners", "start") if n in own}
        return replace(
            stored,
            **changes,
            family=asked.family if "family" in own else stored.family,
            options={**stored.options, **asked.options},
            training=replace(stored.training, **typed(asked.training)),
            rounds=replace(stored.rounds, **typed(asked.rounds)),
        )

    @property
    def folder(self) -> Path:
        """The fit's folder."""
        return self.out or Path("runs") / registry.folder_name(self.name)

    @property
    def name(self) -> str:
        """The task's one name, with what its environment is made with."""
        return task_with(self.task, self.env_kwargs)

    @property
    def interrupted(self) -> str:
        """What to tell a user who pressed Ctrl-C."""
        from learned_envs.fit.folder import CONFIG_FILE

        if not (self.folder / CONFIG_FILE).exists():
            return "Nothing was recorded yet: give the same command again."
        task, out = quote(self.name), quote(str(self.folder))
        return f"Go on with: learned-envs fit {task} --out {out} --resume"


def task_with(task: str, env_kwargs: tuple[tuple[str, ...], ...]) -> str:
    """Return the one name of a task whose environment is made with further arguments.

    Raises:
        UnknownNameError: if there is no such task.
        ParameterError: if there is no such environment, or the task is one of our own.
    """
    given = read_keywords(tuple(text for texts in env_kwargs for text in texts))
    task = registry.task_of(task)
    if not given:
        return task
    if task in registry.TASKS and registry.TASKS[task].entry_point != TRACED:
        raise ParameterError(
            f"Got --env-kwargs for {task}, whose environment is made as it is. Name the "
            f"environment instead: {registry.reference_id(task)}."
        )
    own = ReferenceName.read(registry.reference_id(task) if task in registry.TASKS else task)
    assert own is not None
    return registry.task_of(str(own.with_kwargs(given)))


def learners_of(task: str, asked: int) -> int:
    """Return how many agents learn while a task is recorded: none if there is nothing to do."""
    return asked if registry.task_entry(task).driven else 0


def read_option(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value with commas is a list."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ParameterError(f"Got --option {text}, expected NAME=VALUE, such as substeps=2.")
    for candidate in (value, f"[{value}]" if "," in value else value, value.lower()):
        try:
            return name, decoded(candidate)
        except msgspec.MsgspecError:
            continue
    return name, value
