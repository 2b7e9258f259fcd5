"""What is measured for a report: each held-out window, step by step and channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories, Window
from learned_envs.evaluation.evaluation import (
    HORIZONS,
    Yardstick,
    offset,
    stay_at_the_end,
)
from learned_envs.report.content import Channels, Place, Windows
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.systems.channels import channel_names
from learned_envs.systems.spec import SystemSpec

WINDOWS = 500
"""That are rolled out along, at most."""

WORST = 10
"""Windows that are named as the worst, at most."""

TRUSTED = 50
"""Steps of the windows that disagreement is held against errors in, or as many as there are."""


@dataclass(frozen=True)
class Measured:
    """A model's motion along held-out windows, beside the real one.

    Attributes:
        window: the real motion, (windows).
        predicted: a state after each step, (windows).
        yardstick: the unit of errors.
        horizons: steps after which errors are told.
        disagreement: (windows, steps); None for a model of one member.
    """

    window: Window
    predicted: tuple[State, ...]
    yardstick: Yardstick
    horizons: tuple[int, ...]
    disagreement: Tensor | None

    @property
    def look(self) -> int:
        """The horizon at which windows are ranked."""
        return max(h for h in self.horizons if h <= TRUSTED or h == self.horizons[0])


@torch.no_grad()
def measure(simulation: Simulation, unseen: Recording) -> Measured:
    """Roll a model out along windows of recorded episodes, none of them twice.

    Raises:
        DatasetError: if nothing moves in them.
    """
    spec, device = simulation.task.spec, simulation.device
    held = Trajectories.of(unseen, spec, device)
    kinematics = simulation.dynamics.kinematics
    yardstick = Yardstick.of(held, kinematics, spec.cyclic)
    horizons = held.usual(HORIZONS)
    generator = torch.Generator(device).manual_seed(0)
    rows = torch.unique(held.draw((WINDOWS,), horizons[-1], generator))
    window = held.window(rows, horizons[-1])
    state, reached, said = window.start, list[State](), list[Tensor]()
    for step in range(window.length):
        taken = simulation.step(state, window.actions[:, step], simulation.members > 1)
        state = taken.state
        reached.append(state)
        if taken.disagreement is not None:
            said.append(taken.disagreement)
    # As in an environment, which ends there: so these are the errors that a card has.
    stayed = stay_at_the_end(simulation.task, reached)
    disagreement = torch.stack(said, -1) if said else None
    return Measured(window, tuple(stayed), yardstick, horizons, disagreement)


def channels(measured: Measured, spec: SystemSpec) -> Channels:
    """Return the errors of each channel, in its own unit."""
    kinematics, window = measured.yardstick.kinematics, measured.window

    def rooted(predicted: State, steps: int) -> tuple[float, ...]:
        off = offset(kinematics, window.after(steps), predicted)
        return tuple(off.double().square().mean(0).sqrt().tolist())

    units, joints = list[str](), list[str]()
    for joint in spec.joints:
        kinds = ["m", "m", "m", "rad", "rad", "rad"] if joint.kind == "free" else ["rad"]
        units += ["m"] if joint.kind == "slide" else kinds
        joints += [joint.name] * (6 if joint.kind == "free" else 1)
    at = measured.horizons
    return Channels(
        channel_names(spec),
        (*units, *(f"{unit}/s" for unit in units)),
        (*joints, *joints),
        at,
        tuple(measured.yardstick.spread.tolist()),
        tuple(rooted(measured.predicted[h - 1], h) for h in at),
        tuple(rooted(window.start, h) for h in at),
    )


def ranked(
    measured: Measured, unseen: Recording, spec: SystemSpec, threshold: float | None
) -> tuple[Windows, list[int]]:
    """Rank the windows by their error, and hold the members' disagreement against it.

    Returns:
        What is found, and the windows' indices in the order of `Windows.places`.
    """
    look, names = measured.look, channel_names(spec)
    predicted, real = measured.predicted[look - 1], measured.window.after(look)
    error = measured.yardstick.error(predicted, real).double().cpu().numpy()
    error = np.where(np.isfinite(error), error, np.inf)
    off = offset(measured.yardstick.kinematics, real, predicted) * measured.yardstick.weight
    worst = off.abs().argmax(-1).cpu().numpy()
    said = None
    if measured.disagreement is not None:
        said = measured.disagreement[:, :look].amax(-1).double().cpu().numpy()
    order = [int(i) for i in error.argsort()]
    rows = measured.window.rows.cpu().numpy()
    episodes = np.searchsorted(unseen.offsets, rows, side="right") - 1
    places = tuple(
        Place(
            int(episodes[i]),
            int(rows[i] - unseen.offsets[episodes[i]]),
            unseen.actors[episodes[i]],
            float(error[i]),
            None if said is None else float(said[i]),
            names[worst[i]],
        )
        for i in order
    )
    correlation, above, quarters = None, None, tuple[float, ...]()
    if said is not None and len(order) > 3:
        by = np.array_split(said.argsort(), 4)
        quarters = tuple(float(np.median(error[part])) for part in by)
        found = float(spearmanr(said, error).statistic)
        correlation = found if np.isfinite(found) else None
        above = None if threshold is None else float((said > threshold).mean())
    shown = Windows(look, threshold, correlation, quarters, above, places, _apart(places, look))
    return shown, order


def _apart(places: tuple[Place, ...], look: int) -> tuple[int, ...]:
    """Return the worst places, the worst first, none of which overlaps a worse one."""
    chosen = list[int]()
    # The better half is not bad, however few windows there are.
    for index in reversed(range(len(places) // 2, len(places))):
        here = places[index]
        others = [places[i] for i in chosen if places[i].episode == here.episode]
        if all(abs(other.step - here.step) >= look for other in others):
            chosen.append(index)
        if len(chosen) == WORST:
            break
    return tuple(chosen)
