"""The command that looks at a robot's recordings before anything is fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from learned_envs.errors import ParameterError
from learned_envs.terminal import Advance, console, fit_observer, show_report

if TYPE_CHECKING:
    from rich.table import Table

    from learned_envs.data.recording import Recording
    from learned_envs.logs.check import Checked
    from learned_envs.logs.excitation import Excitation
    from learned_envs.logs.fitting import LogObserver
    from learned_envs.logs.identify import Identified

STYLES = {"error": "bold red", "warning": "yellow", "mended": "green", "note": ""}


@dataclass(frozen=True)
class Logs:
    """Look at a robot's recordings: what is there, what is wrong with it, what to do."""

    what: Annotated[Positional[Literal["check"]], arg(metavar="check")]
    """What to do with them."""
    recordings: Annotated[Positional[Path], arg(metavar="RECORDINGS")]
    """A file or a folder: CSV, Parquet, NPZ, HDF5, MCAP, ROS bags, LeRobot, Minari."""
    map: Annotated[Path | None, arg(metavar="MAP.toml")] = None
    """What the columns mean."""
    write_map: Annotated[Path | None, arg(metavar="MAP.toml")] = None
    """Write a first map here, guessed from the names of the columns, and look no further."""
    model: Annotated[Path | None, arg(metavar="MJCF|URDF")] = None
    """The robot's MJCF or URDF, if there is one."""
    pictures: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Draw each channel into a picture in this folder."""
    interrupted = "Nothing was written."

    def run(self) -> int:
        """Print what is found; the exit code is 1 if a fit would be wrong."""
        from learned_envs.logs.check import check
        from learned_envs.logs.guess import guessed
        from learned_envs.logs.map import LogMap

        if self.write_map is not None:
            if self.write_map.exists():
                raise ParameterError(f"{self.write_map} exists already. Give another --write-map.")
            self.write_map.write_text(guessed(self.recordings, self.model), encoding="utf-8")
            print(f"wrote {self.write_map}: go over it, then give it as --map")
            return 0
        if self.map is None:
            raise ParameterError(
                f"Got no --map. `learned-envs logs check {self.recordings} --write-map "
                "robot.toml` writes a first one."
            )
        log_map = LogMap.read(self.map)
        checked = check(self.recordings, log_map, self.model)
        console().print(channels_table(checked))
        if checked.joints:
            console().print(joints_table(checked.joints))
        for finding in checked.findings:
            style = STYLES[finding.level]
            console().print(finding.told, style=style, highlight=False, markup=False)
        if self.pictures is not None:
            from learned_envs.logs.picture import draw

            for path in draw(checked, log_map, self.pictures):
                print(f"wrote {path}")
        print("A fit can learn from this." if checked.fit else "A fit would be wrong: see errors.")
        return 0 if checked.fit else 1


def channels_table(checked: Checked) -> Table:
    """Return what is known of each column as a table."""
    from rich.table import Table

    table = Table("channel", "least", "largest", "mean", "spread", "noise", title="Channels")
    for name, channel in checked.channels.items():
        smoothing = checked.states.smoothing.chosen.get(name)
        numbers = (channel.low, channel.high, channel.mean, channel.spread)
        table.add_row(
            name,
            *(f"{x:.4g}" for x in numbers),
            "" if smoothing is None else f"{smoothing.noise:.2g}",
        )
    return table


def joints_table(joints: Sequence[Excitation]) -> Table:
    """Return what recordings tell of each joint as a table."""
    from rich.table import Table

    columns = ("joint", "visited", "motion below", "predicted", "damping, 1/s", "dry friction")
    table = Table(*columns, title="Joints")
    for each in joints:
        told = [f"{-value:.3g} +- {error:.2g}" for value, error in (each.damping, each.friction)]
        table.add_row(
            each.name,
            f"{each.visited:.0%}",
            f"{each.frequency:.3g} Hz",
            f"{each.explained:.0%}",
            *told,
        )
    table.caption = "predicted: of its accelerations, by a linear model of state and actions"
    return table


def show_identified(found: Identified) -> None:
    """Print which values of an MJCF recordings speak for."""
    from rich.table import Table

    table = Table("quantity", "MJCF", "found", "", title=f"{found.file.name} by mujoco.sysid")
    for name, value in found.after.items():
        margin = found.margins[name]
        told = f"+- {margin:.2g}" if margin < abs(value) else "too little excitation to tell"
        told += "; at the end of its range" if name in found.ends else ""
        table.add_row(name, f"{found.before[name]:.4g}", f"{value:.4g}", told)
    console().print(table)


def recordings_observer(bar: Callable[[str, int], Advance]) -> LogObserver:
    """Return the observer that draws a fit to recordings, and prints what is found."""
    from learned_envs.logs.fitting import LogObserver

    return LogObserver(
        found=lambda finding: print(finding.told),
        identified=show_identified,
        tried=lambda family, score: print(f"tried {family}: {score:.3g} on held-out episodes"),
        stage=lambda name: fit_observer(bar, name),
    )


def show_channels(folder: Path, unseen: Mapping[str, Recording], model_file: Path | None) -> None:
    """Print a fit's errors beside simpler predictors', and those of each channel in its unit.

    Args:
        folder: the fit's.
        unseen: recordings that it was not fitted to, by what they are.
        model_file: the robot's own MJCF or URDF, if there is one.
    """
    from rich.table import Table

    from learned_envs.fit.folder import LOGS_FOLDER
    from learned_envs.logs.convert import ROBOT_FILE
    from learned_envs.logs.judged import by_channel, closest, judged
    from learned_envs.logs.physics import physics_of
    from learned_envs.simulation import Simulation

    simulation, physics = Simulation.load(folder), {}
    if model_file is not None:
        files = {"MJCF": model_file, "identified": folder / LOGS_FOLDER / ROBOT_FILE}
        physics = {name: physics_of(file, simulation.task.spec) for name, file in files.items()}
    for what, recording in unseen.items():
        print(f"Of {what}:")
        report = judged(simulation, recording, physics)
        show_report(report)
        if (best := closest(report)) != "model":
            print(f"warning: {best!r} is closer than the model on {what}; record more, or use that")
        found = by_channel(simulation, recording, physics)
        for place, steps in enumerate(found.steps):
            title = f"root mean squared errors after {steps} steps, in radians and metres"
            table = Table("channel", *found.errors, title=title)
            for index, channel in enumerate(found.channels):
                errors = (each[place, index] for each in found.errors.values())
                table.add_row(channel, *(f"{error:.3g}" for error in errors))
            console().print(table)
