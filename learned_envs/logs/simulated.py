"""Steps of identified physics near recorded states, which a model learns from at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np

from learned_envs.data.dataset import Dataset
from learned_envs.data.parts import Parts
from learned_envs.data.recording import Episode, Recording
from learned_envs.logs.physics import physics_of, rolled, tangent
from learned_envs.logs.states import PENDING, READINGS, logged_episode
from learned_envs.logs.stream import Array
from learned_envs.systems.spec import SystemSpec

ACTOR = "identified"
"""Who made these steps, as datasets name it."""

LENGTH = 64
"""Steps from a recorded state on, at most."""

BATCH = 256
"""Stretches simulated at once."""

NEAR = 0.2
"""Of what is typical of a stretch: how far its start is moved."""


def simulate(
    recording: Recording, model_file: Path, task: str, spec: SystemSpec, out: Path, steps: int
) -> Dataset:
    """Step physics from near recorded states by recorded actions.

    Args:
        recording: of the robot.
        model_file: its physics.
        task: name of its environment.
        spec: its system.
        out: the folder that gets the dataset.
        steps: at least so many.
    """
    model = physics_of(model_file, spec)
    parts, rng = Parts(out, task, spec), np.random.default_rng(0)
    while parts.steps < steps:
        for episode in _stretches(recording, model, spec, rng):
            parts.add(episode)
    parts.write()
    return parts.dataset


def _stretches(
    recording: Recording, model: mujoco.MjModel, spec: SystemSpec, rng: np.random.Generator
) -> Iterator[Episode]:
    length = int(min(LENGTH, recording.lengths.max()))
    rows = rng.choice(recording.windows(length), BATCH)
    index = rows[:, None] + np.arange(length + 1)
    q, v = recording.qpos[index], recording.qvel[index]
    moved = tangent(spec, q[:, -1], v[:, -1], q[:, 0], v[:, 0])
    near = NEAR * np.sqrt(np.square(moved).mean(0)) * rng.normal(size=moved.shape)
    starts, speeds = q[:, 0].copy(), v[:, 0] + near[:, spec.nv :]
    for start, change in zip(starts, near[:, : spec.nv], strict=True):
        mujoco.mj_integratePos(model, start, change, 1.0)
    actions = recording.actions[index[:, :-1]]
    controls: Array = actions
    columns = {name: column[index] for name, column in recording.columns.items()}
    if PENDING in columns:
        controls = columns[PENDING][:, :-1, : spec.nu]
    if READINGS in columns:
        # Physics say nothing of them.
        columns[READINGS] = np.zeros_like(columns[READINGS])
    places, rates = rolled(model, spec, starts, speeds, controls)
    for one in range(len(rows)):
        qpos = np.concatenate([starts[one : one + 1], places[one]])
        qvel = np.concatenate([speeds[one : one + 1], rates[one]])
        if np.isfinite(qpos).all() and np.isfinite(qvel).all():
            own = {name: column[one] for name, column in columns.items()}
            yield logged_episode(qpos, qvel, actions[one], own, ACTOR)
