"""How good a model of a recorded robot is, beside simpler ones, and channel by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import torch

from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories, Window
from learned_envs.evaluation.evaluation import Predictor, compare, hold, model_of, offset
from learned_envs.evaluation.report import Report
from learned_envs.kinematics import Kinematics
from learned_envs.logs.physics import rolled
from learned_envs.logs.states import PENDING
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.systems.channels import channel_names
from learned_envs.systems.spec import SystemSpec

AFTER = (1, 10, 50)
"""Steps after which errors of channels are told."""

WINDOWS = 500
"""That errors are measured on: MuJoCo takes a while for more."""


@dataclass(frozen=True)
class ChannelErrors:
    """Root mean squared errors of each channel, in its own unit.

    Attributes:
        channels: names: of positions, then of velocities.
        steps: after which they were measured.
        errors: (steps, channels), by predictor.
    """

    channels: tuple[str, ...]
    steps: tuple[int, ...]
    errors: Mapping[str, np.ndarray]


def predictors_of(
    simulation: Simulation, physics: Mapping[str, mujoco.MjModel]
) -> dict[str, Predictor]:
    """Return what a fit is compared with: constant velocities, and MuJoCo with given models."""
    kinematics, spec = simulation.dynamics.kinematics, simulation.task.spec
    found: dict[str, Predictor] = {"constant velocity": _constant(kinematics, spec.dt)}
    for name, model in physics.items():
        found[name] = _physics(model, spec)
    return found


def judged(
    simulation: Simulation, held_out: Recording, physics: Mapping[str, mujoco.MjModel]
) -> Report:
    """Measure a fit beside holding, constant velocities, and MuJoCo with given models."""
    predictors = {"model": model_of(simulation), **predictors_of(simulation, physics)}
    return compare(held_out, simulation, predictors, trajectories=WINDOWS)


def closest(report: Report) -> str:
    """Return whose median errors are the smallest, as a geometric mean over the horizons."""
    score = {curve.name: np.log(np.maximum(curve.median, 1e-12)).mean() for curve in report.curves}
    return min(score, key=lambda name: float(score[name]))


def by_channel(
    simulation: Simulation, held_out: Recording, physics: Mapping[str, mujoco.MjModel]
) -> ChannelErrors:
    """Measure a fit channel by channel, in radians and metres, and those a second."""
    spec, kinematics = simulation.task.spec, simulation.dynamics.kinematics
    held = Trajectories.of(held_out, spec, simulation.device)
    steps = held.usual(AFTER)
    generator = torch.Generator(simulation.device).manual_seed(0)
    window = held.window(held.draw((WINDOWS,), steps[-1], generator), steps[-1])
    predictors = {
        "model": model_of(simulation, past_the_end=True),
        "hold": hold,
        **predictors_of(simulation, physics),
    }
    errors = {}
    with torch.no_grad():
        for name, predict in predictors.items():
            states = predict(window)
            off = [offset(kinematics, window.after(n), states[n - 1]) for n in steps]
            errors[name] = torch.stack(off).square().mean(1).sqrt().cpu().numpy()
    return ChannelErrors(channel_names(spec), steps, errors)


def _constant(kinematics: Kinematics, dt: float) -> Predictor:
    def predict(window: Window) -> Sequence[State]:
        start = window.start
        return [
            State(kinematics.advance(start.q, start.v * (dt * n)), start.v)
            for n in range(1, window.length + 1)
        ]

    return predict


def _physics(model: mujoco.MjModel, spec: SystemSpec) -> Predictor:
    def predict(window: Window) -> Sequence[State]:
        start, controls = window.start, window.actions
        if PENDING in window.states.memory:
            # What has its effect now was told some steps ago.
            controls = window.states.memory[PENDING][..., :-1, : spec.nu]
        q, v = rolled(
            model, spec, start.q.double().numpy(), start.v.double().numpy(), controls.numpy()
        )
        last = State(start.q, start.v)
        states = []
        for n in range(window.length):
            reached = State(torch.as_tensor(q[:, n]).float(), torch.as_tensor(v[:, n]).float())
            finite = reached.q.isfinite().all(-1) & reached.v.isfinite().all(-1)
            last = reached.where(finite, last)
            states.append(last)
        return states

    return predict
