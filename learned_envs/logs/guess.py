"""A first map of recordings, from names and values of their columns, for a person to go over."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.formats.messages import LOGGED, TIME
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.stream import Array, Run, full, named
from learned_envs.logs.system import loaded

TIMES = ("time", "t", "timestamp", "stamp", "time_s", "seconds", "sec")
EPISODES = ("episode", "episode_index", "episode_id", "trial", "run")


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(^|[/_.])({'|'.join(words)})([_.\[\d]|$)", re.IGNORECASE)


POSITION = _words("q", "qpos", "pos", "positions?", "joint_pos", "angles?", "state")
VELOCITY = _words("dq", "qd", "v", "vel", "qvel", "velocity", "velocities", "joint_vel", "speed")
ACTION = _words("u", "cmd", "commands?", "actions?", "ctrl", "control", "targets?", "tau", "torque")
TURNING = _words("gyro", "omega", "w", "angular", "angular_velocity", "ang_vel")
SUFFIX = re.compile(r"\[([^\]]+)\]$|[_.]([A-Za-z0-9]+)$")

LOOKED_AT = 1000
"""Rows whose values are looked at."""


@dataclass
class Columns:
    """The columns of a run that nothing is said of yet.

    Attributes:
        left: their full names, in the order of the file.
        values: (n,) each.
    """

    left: list[str]
    values: Mapping[str, Array] = field(default_factory=dict)

    def take(self, names: Collection[str]) -> None:
        """Leave out columns that something is said of."""
        self.left = [name for name in self.left if name not in names]

    def quaternion(self) -> tuple[str, ...] | None:
        """Return four columns side by side that are a unit quaternion."""
        for first in range(len(self.left) - 3):
            four = tuple(self.left[first : first + 4])
            if all(name in self.values for name in four):
                norms = np.linalg.norm([self.values[name] for name in four], axis=0)
                if np.abs(norms - 1.0).max(initial=0.0) < 1e-3:
                    return four
        return None


def guessed(recordings: Path, model: Path | None = None) -> str:
    """Return a map as TOML, with every column in it: what is not guessed stands in comments.

    Args:
        recordings: a file or a folder.
        model: the robot's MJCF or URDF, whose joints columns are matched to by their names.

    Raises:
        LogError: if nothing can be read there, or no column looks like a position.
    """
    run = next(iter(open_runs(recordings)))
    known, joints = named(run), _joints(model)
    time = next((c for c in known if c.lower() in TIMES), None)
    parting = next((c for c in known if c.lower() in EPISODES), None)
    own = {name for name, (_, column) in known.items() if column in (TIME, LOGGED)}
    columns = Columns([c for c in known if c not in (time, parting, *own)], _values(run))
    lines = [
        "# What the columns mean. Go over every line: it was guessed from names and values.",
        f'name = "{recordings.stem}"',
        "",
    ]
    lines += ["[time]", f'column = "{time}"', 'unit = "s"', ""] if time else []
    lines += ["[time]", "dt = 0.02  # seconds between rows", ""] if not time and not own else []
    lines += ["[episodes]", f'column = "{parting}"', ""] if parting else []
    if lengths := [*run.others]:
        lines += ["[episodes]", f'lengths = "{lengths[0]}"  # if these are rows of episodes', ""]
    base = _base(columns)
    lines += base
    acted = [c for c in columns.left if ACTION.search(c)]
    columns.take(acted)
    speeds = [c for c in columns.left if VELOCITY.search(c)]
    places = [c for c in columns.left if c not in speeds and POSITION.search(c)]
    if not places and not base:
        raise LogError(
            f"No column of {run.name} looks like a position. It has {', '.join([*known][:20])}. "
            "Write the map by hand: docs/from_logs.md has an example."
        )
    names = []
    for column in places:
        name = _called(column, joints)
        names.append(name)
        speed = next((c for c in speeds if _tail(c) == _tail(column)), None)
        lines += ["[[joints]]", f'name = "{name}"', f'position = "{column}"']
        lines += [f'velocity = "{speed}"'] if speed else []
        lines += [f'kind = "{joints.get(name, "hinge")}"', 'unit = "rad"', ""]
        columns.take([column, *([speed] if speed else [])])
    for column in acted:
        joint = _called(column, names)
        lines += ["[[actions]]", f'column = "{column}"']
        lines += [f'joint = "{joint}"', ""] if joint in names else [""]
    if columns.left:
        lines += ["# Not mapped. What is measured beside, as by an IMU, goes into [[observed]]:"]
        lines += [f'# [[observed]]\n# column = "{column}"' for column in columns.left]
    return "\n".join(lines) + "\n"


def _base(columns: Columns) -> list[str]:
    """Say which columns are those of a free body: a quaternion, and what stands beside it."""
    if (four := columns.quaternion()) is None:
        return []
    first = columns.left.index(four[0])
    before, after = columns.left[max(first - 3, 0) : first], columns.left[first + 4 :]
    ends = "".join(_tail(name)[-1:].lower() for name in four)
    lines = ["[base]"]
    if len(before) == 3 and all(POSITION.search(name) for name in before):
        lines += [f"position = {_listed(before)}"]
    else:
        before = []
    lines += [f"orientation = {_listed(four)}", f'order = "{"xyzw" if ends == "xyzw" else "wxyz"}"']
    turning = [name for name in after if TURNING.search(name)][:3]
    if len(turning) == 3:
        lines += [f"angular_velocity = {_listed(turning)}", 'angular_frame = "body"']
    columns.take([*before, *four, *(turning if len(turning) == 3 else [])])
    return [*lines, ""]


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}]"


def _values(run: Run) -> dict[str, Array]:
    """Return the first rows of all columns; nothing if some hold no numbers."""
    with suppress(LogError):
        for block in run.blocks([*named(run)], LOOKED_AT):
            return {
                full(stream, name): values.astype(float)
                for stream, table in block.items()
                for name, values in table.columns.items()
            }
    return {}


def _joints(model: Path | None) -> dict[str, str]:
    """Return how each joint of a model moves, by name."""
    if model is None:
        return {}
    there = loaded(model)
    kinds = {
        int(mujoco.mjtJoint.mjJNT_HINGE): "hinge",
        int(mujoco.mjtJoint.mjJNT_SLIDE): "slide",
    }
    joints = (there.joint(i) for i in range(there.njnt))
    return {j.name: kinds[int(j.type[0])] for j in joints if int(j.type[0]) in kinds}


def _tail(column: str) -> str:
    found = SUFFIX.search(column)
    return (found[1] or found[2]) if found else column


def _called(column: str, names: Collection[str]) -> str:
    """Return the name that a column holds, or what stands at its end."""
    held = [name for name in names if name and name.lower() in column.lower()]
    return max(held, key=len, default=_tail(column))
