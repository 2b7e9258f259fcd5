"""A robot's state as measurements come: the model predicts a step, the measurement corrects it.

A steady Kalman filter of positions and velocities (Bar-Shalom, Li and Kirubarajan, Estimation with
Applications to Tracking and Navigation, 2001, section 5.2) that predicts by the learned model. That
knows what commands and gravity do, so that velocities lag less than those of a filter that sees
positions alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.linalg import solve_discrete_are
from torch import Tensor

from learned_envs import argument
from learned_envs.data.dataset import Dataset
from learned_envs.data.trajectories import Trajectories
from learned_envs.errors import LogError
from learned_envs.evaluation.evaluation import offset
from learned_envs.fit.folder import LOGS_FOLDER
from learned_envs.logs.convert import DATA, NOISE_FILE
from learned_envs.logs.stream import Array
from learned_envs.simulation import Simulation
from learned_envs.state import State

STEPS = 4000
"""That the model's own errors are measured on."""

LEAST = 1e-3
"""Of a step's change: no model misses less."""

TINY = 1e-9
"""Radians or metres: no measurement has less noise."""


@dataclass(frozen=True)
class StateEstimator:
    """Estimates the states of a robot that is measured step by step.

    Attributes:
        simulation: predicts a step.
        gain: (2, nv), how far a measured position that is off moves position and velocity; the
            latter is 1/s.
    """

    simulation: Simulation
    gain: Tensor

    @classmethod
    def of(cls, folder: str | Path, simulation: Simulation | None = None) -> Self:
        """Make the estimator of a fit to recordings.

        Args:
            folder: the fit's; what its recordings were made into must be there.
            simulation: the model, if it is loaded already.

        Raises:
            LogError: if the folder holds no fit to recordings.
        """
        logs = argument.path("folder", folder) / LOGS_FOLDER
        if not (logs / NOISE_FILE).is_file():
            raise LogError(f"{folder} holds no fit to recordings: {logs / NOISE_FILE} is missing.")
        simulation = simulation or Simulation.load(folder)
        noise, dt = np.load(logs / NOISE_FILE), simulation.task.spec.dt
        missed = _missed(simulation, Dataset.open(logs / DATA))
        gains = [_gain(dt, *each) for each in zip(missed, noise, strict=True)]
        return cls(simulation, torch.tensor(np.stack(gains, 1), dtype=torch.float32))

    def start(self, measured: Any) -> State:
        """Return the state of a robot that rests, and has been told nothing.

        Args:
            measured: (nq,) positions.
        """
        spec = self.simulation.task.spec
        memory = {leaf.name: torch.zeros(1, leaf.size) for leaf in spec.leaves}
        return State(self._positions(measured), torch.zeros(1, spec.nv), memory)

    def step(self, state: State, action: Any, measured: Any) -> State:
        """Return the state a step later.

        Args:
            state: what the step before returned, or `start`.
            action: (nu,) what the robot was told then.
            measured: (nq,) positions now.
        """
        kinematics = self.simulation.dynamics.kinematics
        told = torch.as_tensor(np.asarray(action), dtype=torch.float32).reshape(1, -1)
        with torch.no_grad():
            predicted = self.simulation.step(state, told).state
            off = kinematics.difference(predicted.q, self._positions(measured))
            # Sensors of hinges jump by whole turns, and nothing turns by half of one in a step.
            off = off - 2 * torch.pi * self._turns * (off / (2 * torch.pi)).round()
            q = kinematics.advance(predicted.q, self.gain[0] * off)
            return State(q, predicted.v + self.gain[1] * off, predicted.memory)

    @cached_property
    def _turns(self) -> Tensor:
        """Which velocities are those of hinges, (nv,)."""
        turns = torch.zeros(self.simulation.task.spec.nv)
        for joint in self.simulation.task.spec.joints:
            turns[joint.v] = float(joint.kind == "hinge")
        return turns

    def _positions(self, measured: Any) -> Tensor:
        return torch.as_tensor(np.asarray(measured), dtype=torch.float32).reshape(1, -1)


def _missed(simulation: Simulation, data: Dataset) -> Array:
    """Return how what a step of the model misses varies, of position and velocity, (nv, 2, 2)."""
    held = Trajectories.of(data.load(), simulation.task.spec)
    window = held.window(held.draw((STEPS,), 1, torch.Generator().manual_seed(0)), 1)
    kinematics, start = simulation.dynamics.kinematics, window.start
    with torch.no_grad():
        reached = simulation.step(start, window.actions[:, 0]).state
    shape = STEPS, 2, simulation.task.spec.nv
    off = offset(kinematics, window.after(1), reached).double().numpy().reshape(shape)
    moved = offset(kinematics, start, window.after(1)).double().numpy().reshape(shape)
    least = LEAST * np.sqrt(np.square(moved).mean(0))
    # Who misses an acceleration misses both, so that the position tells of the velocity at once.
    varies = np.einsum("nav,nbv->vab", off, off) / STEPS
    return np.asarray(varies + np.einsum("av,ab->vab", least**2, np.eye(2)))


def _gain(dt: float, missed: Array, noise: float) -> Array:
    """Return the steady gain of a position and a velocity, (2,)."""
    # In steps, and in units of the noise, all numbers are of a size.
    step, seen = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    unit = np.array([1.0, dt]) / max(noise, TINY)
    found = solve_discrete_are(step.T, seen.T, missed * np.outer(unit, unit), np.eye(1))
    gain = (found @ seen.T / (seen @ found @ seen.T + 1.0))[:, 0]
    return np.asarray(gain / np.array([1.0, dt]))
