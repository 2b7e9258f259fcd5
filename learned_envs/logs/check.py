"""A look at recordings before anything is fitted: what is there, what is wrong, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learned_envs.errors import LogError
from learned_envs.logs.channels import Channel, Channels
from learned_envs.logs.consistency import consistency_findings
from learned_envs.logs.delay import Delay, find_delay
from learned_envs.logs.excitation import Excitation, excitation, excitation_findings
from learned_envs.logs.finding import Finding, worst_first
from learned_envs.logs.map import LogMap
from learned_envs.logs.measured import chosen_smoothing
from learned_envs.logs.motion import motion_findings
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.smoothing import Smoothing
from learned_envs.logs.spread import spread
from learned_envs.logs.states import States, rows_of, usual_step
from learned_envs.logs.stretch import Cuts, Stretch, stretches
from learned_envs.logs.system import matched

SEEN = 128
"""Pieces at most that are looked at closely; all rows are for what single columns show."""

JITTERS = 0.02
"""Of a step: the spread of steps from which on recordings are resampled."""

SURE = 0.8
"""Confidence of a delay that is taken without a word."""


@dataclass(frozen=True)
class Checked:
    """What a look at recordings found.

    Attributes:
        findings: the worst first.
        channels: by column.
        joints: what each is known of.
        jitter: spread of the steps, seconds.
        delay: between actions and their effect; None if there are no actions, or no effect.
        states: makes states of the recordings, by the map's delay or this one.
        rows: read.
        stretches: without a pause.
        seconds: of all together.
        sample: pieces that were looked at closely.
    """

    findings: list[Finding]
    channels: dict[str, Channel]
    joints: list[Excitation]
    jitter: float
    delay: Delay | None
    states: States
    rows: int
    stretches: int
    seconds: float
    sample: list[Stretch]

    @property
    def fit(self) -> bool:
        """Whether a fit to these recordings would be right."""
        return all(finding.level != "error" for finding in self.findings)


def check(recordings: Path, log_map: LogMap, model: Path | None = None) -> Checked:
    """Look at recordings.

    Args:
        recordings: a file or a folder.
        log_map: what their columns mean.
        model: the robot's MJCF or URDF, if there is one.

    Raises:
        LogError: if they cannot be read at all, or the map or the model do not fit to them.
    """
    if model is not None:
        matched(log_map, model)
    cuts, channels = Cuts(), Channels(log_map)
    found = channels.watch(stretches(open_runs(recordings), log_map, cuts))
    sample = spread((piece for stretch in found for piece in stretch.pieces()), SEEN)
    if not sample:
        raise LogError(f"{recordings} holds no 8 rows without a pause; {cuts.rows} rows were read.")
    smoothing = chosen_smoothing(sample, log_map)
    states = States(log_map, usual_step(cuts.steps, log_map), smoothing=smoothing)
    steps = np.concatenate(cuts.steps)
    jitter = float(steps.std())
    delay = find_delay([rows_of(stretch, log_map) for stretch in sample])
    states.delay = _steps_late(log_map, delay)
    joints, idle = excitation(sample, states)
    findings = [
        *_timing(cuts, states.dt, jitter, channels),
        *consistency_findings(cuts, channels.ranges),
        *channels.findings(),
        *motion_findings(sample, log_map, states.smoothing),
        *_delayed(log_map, delay, states.dt),
        *_noise(states.smoothing.chosen, channels.known),
        *excitation_findings(joints, idle),
    ]
    return Checked(
        worst_first(findings),
        channels.known,
        joints,
        jitter,
        delay,
        states,
        cuts.rows,
        channels.stretches,
        channels.seconds,
        sample,
    )


def _steps_late(log_map: LogMap, delay: Delay | None) -> int:
    if not log_map.actions:
        return 0
    if log_map.delay is not None:
        return log_map.delay
    return 0 if delay is None else delay.steps


def _timing(cuts: Cuts, dt: float, jitter: float, channels: Channels) -> Iterator[Finding]:
    yield Finding(
        "note",
        "",
        f"{cuts.rows:,} rows in {channels.stretches} episodes without a pause, "
        f"{channels.seconds:.1f} s; a step is {dt:.6g} s",
    )
    if jitter > JITTERS * dt:
        yield Finding("mended", "", f"rows jitter by {jitter * 1e3:.2g} ms: resampled to one step")
    if cuts.repeated:
        yield Finding("mended", "", f"{cuts.repeated} rows repeat the time before: left out")
    if cuts.gaps:
        where, row, pause = max(cuts.gaps, key=lambda gap: gap[2])
        yield Finding(
            "mended",
            "",
            f"{len(cuts.gaps)} pauses, the longest of {pause:.3g} s before {where}, row {row}: "
            "episodes end there",
        )
    if cuts.backwards:
        where, row = cuts.backwards[0]
        yield Finding(
            "warning",
            "",
            f"time runs back {len(cuts.backwards)} times, first at {where}, row {row}",
            "see whether two recordings lie in one file; episodes end there",
        )
    if cuts.short:
        yield Finding("mended", "", f"{cuts.short} pieces of fewer than 8 rows: left out")
    if channels.stretches < 2:
        yield Finding(
            "error",
            "",
            "there is one episode only, so none can be held out",
            "record more, or cut it: [episodes] column, or several files",
        )


def _delayed(log_map: LogMap, delay: Delay | None, dt: float) -> Iterator[Finding]:
    if not log_map.actions:
        return
    if delay is None:
        yield Finding(
            "warning",
            "actions",
            "explain nothing of the motion",
            "see whether the right columns are mapped, and whether the motors were on",
        )
        return
    said = f"have their effect after {delay.steps} steps ({delay.steps * dt * 1e3:.3g} ms)"
    sure = f"{delay.confidence:.0%} of resamplings say so"
    if log_map.delay is not None and log_map.delay != delay.steps:
        yield Finding(
            "warning",
            "actions",
            f"{said}, {sure}; the map says {log_map.delay}",
            f"set delay = {delay.steps}, or take it out of the map",
        )
    elif delay.confidence < SURE:
        yield Finding(
            "warning", "actions", f"{said}, but only {sure}", "set delay in the map if you know it"
        )
    else:
        yield Finding("note", "actions", f"{said}; {sure}")


def _noise(smoothing: dict[str, Smoothing], known: dict[str, Channel]) -> Iterator[Finding]:
    for name, found in smoothing.items():
        channel = known.get(name)
        if channel is not None and found.noise > 0.1 * channel.spread:
            yield Finding(
                "warning",
                name,
                f"has noise of {found.noise:.2g}, and spreads by {channel.spread:.2g} only",
                "move it more, or measure it better",
            )
