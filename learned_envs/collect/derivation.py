"""How far rules are from the real environment's if they have to derive what they read.

Rules are compared with the environment given what physics did (`collect/compared.py`). A learned
environment knows q, v and the leaves of the next state alone. What `mj_step` derived one solver
step before, or a Runge-Kutta stage, is then an estimate where velocities enter.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from learned_envs.rules.recording import CALL, STEP, record_steps
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.tasks.task import Transition, Verdict
from learned_envs.tasks.traced import TracedTask

STEPS = 500
"""Steps of the real environment that are looked at."""

NOTED = 1e-4
"""Share of its spread that a column has to be off by, in the median or at most, to be noted."""

MOST = 6
"""Columns that a note names."""


def derivation_notes(real: Adapter, task: TracedTask, steps: int = STEPS) -> list[str]:
    """Return notes on what a task says of real steps if it derives what its rules read.

    Args:
        real: the environment, which is stepped.
        task: its task.
        steps: how many steps are looked at.
    """
    verdict, told = judged(real, task, steps)
    off: dict[str, tuple[float, float]] = {}
    named = {"observation": verdict.observation, "reward": verdict.reward[:, None]}
    for name, values in named.items():
        true = told[name].reshape(steps, -1)
        away = np.abs(values.numpy() - true)
        spread = true.std(0) + 1e-12
        for column in np.flatnonzero((away / spread).max(0) > NOTED):
            label = name if name == "reward" else f"column {column} of the observation"
            off[label] = float(np.median(away[:, column])), float(away[:, column].max())
    if not off:
        return []
    worst = sorted(off, key=lambda label: -off[label][1])[:MOST]
    listed = ", ".join(f"{label} by {off[label][0]:.2g} ({off[label][1]:.2g})" for label in worst)
    more = f" and {len(off) - len(worst)} more" if len(off) > len(worst) else ""
    return [
        "What MuJoCo derives of a state lags behind it after a step, and is estimated from the "
        f"state here. Given the real next state, off in the median (at most): {listed}{more}."
    ]


def judged(real: Adapter, task: TracedTask, steps: int) -> tuple[Verdict, dict[str, Any]]:
    """Return what a task says of real steps, in float64, and what the environment returned."""
    names = ["before.qpos", "before.qvel", "fresh.qpos", "fresh.qvel"]
    sensed = [f"after.{sensor.name}" for sensor in task.sensors]
    returned = [name for name in task.rules.step.inputs if name.startswith((CALL, STEP))]
    seen = record_steps(real.env, [*{*names, *sensed, *returned}], steps, slots=real.slots)

    def rows(name: str) -> Tensor:
        return torch.as_tensor(np.asarray(seen.inputs[name], np.float64)).reshape(steps, -1)

    q, reached = (np.asarray(seen.inputs[name]) for name in ("before.qpos", "fresh.qpos"))
    moved = np.zeros((steps, task.spec.nv))
    for row in range(steps):
        mujoco.mj_differentiatePos(real.model, moved[row], 1.0, q[row], reached[row])
    # A model moves q and v, the rules move the leaves.
    memory = {leaf.name: rows(f"memory.{leaf.name}") for leaf in task.spec.leaves}
    verdict = task.judge(
        Transition(
            State(rows("before.qpos"), rows("before.qvel"), memory),
            rows("action"),
            State(rows("fresh.qpos"), rows("fresh.qvel"), memory),
            torch.from_numpy(moved),
            {sensor.name: rows(f"after.{sensor.name}") for sensor in task.sensors},
        )
    )
    return verdict, seen.outputs
