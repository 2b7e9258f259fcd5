"""From recordings to a dataset: read, mended, made into states, and written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from learned_envs.collect.asking import ask
from learned_envs.data.dataset import Dataset
from learned_envs.data.parts import Parts
from learned_envs.data.recording import Episode, Recording, held_out
from learned_envs.errors import LogError, OutputError
from learned_envs.files import write_whole, writing
from learned_envs.logs.check import SEEN, check
from learned_envs.logs.finding import Finding
from learned_envs.logs.identify import Identified, identify
from learned_envs.logs.latest import earlier, latest
from learned_envs.logs.map import LogMap
from learned_envs.logs.measured import noise_of
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.spread import spread
from learned_envs.logs.states import States
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch, stretches
from learned_envs.logs.system import skeleton
from learned_envs.reference_name import ReferenceName
from learned_envs.systems.reference import describe, make_reference
from learned_envs.task_entry import LOGGED

STARTS_FILE = "starts.npy"
"""Recorded states that episodes may begin at."""

STARTS, FEW = 1024, 16
"""How many these are at most, and how few episodes take more states than their first."""


ROBOT_FILE = "robot.xml"
"""The robot's physics: its MJCF, with what was identified, or no more than its joints."""

DATA, LATEST = "data", "latest"
"""Datasets: of what is fitted to, and of the last tenth of the time."""

NOISE_FILE = "noise.npy"
"""Spread of the measurements' noise, (nv,)."""

OURS = {STARTS_FILE, NOISE_FILE, ROBOT_FILE, DATA, LATEST}
"""What a preparation that was killed may leave."""

DONE = "map.json"
"""The file that is written last: the map, and what it was used for."""


def prepare(
    recordings: Path,
    log_map: LogMap,
    out: Path,
    model: Path | None = None,
    rules: Path | None = None,
    split: tuple[float, int] = (0.05, 0),
    on_identified: Callable[[Identified], None] = lambda found: None,
    on_found: Callable[[Finding], None] = lambda finding: None,
) -> Dataset:
    """Make datasets of recordings, unless they are there already.

    The last tenth of the time makes one of its own, in the folder's `latest`.

    Args:
        recordings: a file or a folder.
        log_map: what their columns mean.
        out: the folder that gets them.
        model: the robot's MJCF or URDF, if there is one.
        rules: a Python file of what is seen, paid and ended.
        split: share of the episodes that a fit will hold out, and its seed: physics are not fitted
            to these.
        on_identified: is told what was found of the model's physics.
        on_found: is told what a look at the recordings finds.

    Returns:
        The states before the last tenth, as a dataset of the robot's own task.

    Raises:
        LogError: if the recordings, the map and the model do not fit to one another, or a fit would
            be wrong.
        OutputError: if nothing can be written, or other recordings were made into states there.
    """
    paths = {"recordings": recordings, "model": model, "rules": rules}
    used = {name: str(path.resolve()) for name, path in paths.items() if path is not None}
    done = json.dumps({"map": msgspec.to_builtins(log_map), **used}, indent=1)
    if (out / DONE).is_file():
        if (out / DONE).read_text() != done:
            raise OutputError(f"{out} holds states of other recordings. Give another --out.")
        return Dataset.open(out / DATA)
    if out.is_dir() and (others := {entry.name for entry in out.iterdir()} - OURS):
        raise OutputError(f"{out} holds {', '.join(sorted(others))}. Give another --out.")
    checked = check(recordings, log_map, model)
    for finding in checked.findings:
        on_found(finding)
    if not checked.fit:
        raise LogError(
            f"A fit to {recordings} would be wrong: {checked.findings[0].told}. Mend what is said "
            "above."
        )
    states = checked.states
    with writing(out):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        found = earlier(stretches(open_runs(recordings), log_map), checked.seconds)
        if not (episodes := _sampled(filter(states.holds, found), states, split)):
            raise LogError(
                f"{recordings} holds no two episodes of {states.delay + 2} rows. Record more."
            )
        np.save(out / STARTS_FILE, _starts(episodes))
        np.save(out / NOISE_FILE, noise_of(states.smoothing, log_map))
        robot = out / ROBOT_FILE
        if model is None:
            told = {name: (each.low, each.high) for name, each in checked.channels.items()}
            write_whole(robot, skeleton(log_map, told).encode())
        else:
            with closing(make_reference(_task(model, states, None, None))) as env:
                spec = describe(env)
            identified = identify(model, Recording.of(episodes), spec)
            on_identified(identified)
            identified.save(robot, log_map.readings)
        task = _task(robot, states, out / STARTS_FILE, rules)
        spec = ask(task).spec
        data, late = Parts(out / DATA, task, spec), Parts(out / LATEST, task, spec)
        for stretch in stretches(open_runs(recordings), log_map):
            for parts, part in ((data, earlier), (late, latest)):
                for episode in states.episodes(part([stretch], checked.seconds)):
                    parts.add(episode)
        data.write()
        late.write()
        write_whole(out / DONE, done.encode())
    return data.dataset


def _sampled(found: Iterable[Stretch], states: States, split: tuple[float, int]) -> list[Episode]:
    """Return pieces of the stretches that a fit will not hold out."""
    number = count()

    def pieces() -> Iterator[tuple[int, Stretch]]:
        for stretch in found:
            index = next(number)
            yield from ((index, piece) for piece in stretch.pieces())

    kept = spread(pieces(), SEEN)
    if (total := next(number)) < 2:
        return []
    held = held_out(total, *split)
    return [*states.episodes(piece for index, piece in kept if not held[index])]


def _task(model: Path, states: States, starts: Path | None, rules: Path | None) -> str:
    """Return the name of a robot's environment."""
    given: dict[str, Any] = {"dt": states.dt, "delay": states.delay}
    paths = {"xml_file": model, "starts": starts, "rules": rules}
    given |= {name: str(path.resolve()) for name, path in paths.items() if path is not None}
    return str(ReferenceName(LOGGED, given))


def _starts(episodes: list[Episode]) -> Array:
    """Return the first states of episodes, and others if there are few."""
    found = [np.concatenate([e.qpos[:1], e.qvel[:1]], 1) for e in episodes]
    if len(found) < FEW:
        found += [np.concatenate([e.qpos[::50], e.qvel[::50]], 1) for e in episodes]
    return np.concatenate(found)[:STARTS]
