"""What keeps a real environment from being stepped in lockstep."""

from __future__ import annotations

import gymnasium as gym
import mujoco
import numpy as np

from learned_envs.collect.lockstep import Lockstep, field_of
from learned_envs.collect.original import draws_constants
from learned_envs.collect.tap import wrappers_of
from learned_envs.data.recording import Array
from learned_envs.errors import LearnedEnvsError
from learned_envs.systems.adapter import Adapter
from learned_envs.tasks.task import Task
from learned_envs.tasks.traced import TracedTask

TRIED = 30
"""Steps that are compared with the environment's before anything is recorded."""

ARENA = ("efc_", "contact", "touch.")
"""How names begin of what changes its size from step to step."""


def hindrance(task: Task, env: gym.Env[Array, Array]) -> str | None:
    """Return why an environment cannot be stepped in lockstep; None if it can.

    Some steps are compared with those of the environment.

    Args:
        task: what is seen, paid and ended.
        env: its reference environment, which is reset and stepped.
    """
    if not isinstance(task, TracedTask):
        return "its rules are not traced from its code"
    if further := [leaf.name for leaf in task.spec.leaves]:
        return f"its state has more than q and v: {', '.join(further)}"
    if wrappers := wrappers_of(env):
        return f"it has wrappers: {', '.join(wrappers)}"
    graph, real = task.rules.step, Adapter(env)
    if "ctrl" not in graph.outputs:
        return "what it hands to the actuators is not known from the state and the action"
    arrays = {name: name.partition(".")[2] for name in graph.inputs if name != "action"}
    arrays.update({f"after.{s.array}": s.array for s in task.sensors if s.place is None})
    for name, array in arrays.items():
        if not name.startswith(("before.", "after.")) or not _fixed(real.data, array):
            return f"its rules read {name}"
    if drawn := draws_constants(env):
        return f"its resets draw constants: {', '.join(drawn)}"
    if real.observe() is None:
        return "only a step says what it observes"
    lockstep, rng = Lockstep(env, task, 1, every=1), np.random.default_rng(0)
    low, high = np.array(task.spec.control_low), np.array(task.spec.control_high)
    try:
        for step in range(TRIED):
            if step % 10 == 0:
                lockstep.reset(0, int(rng.integers(2**31)))
            lockstep.step(rng.uniform(low, high, (1, len(low))))
    except LearnedEnvsError as error:
        return str(error)
    return None


def _fixed(data: mujoco.MjData, name: str) -> bool:
    """Return whether something is an array of numbers that keeps its place and its size."""
    # What stands in the arena is laid out anew in every step.
    if name.startswith(ARENA):
        return False
    try:
        found = field_of(data, name)
    except (AttributeError, KeyError):
        return False
    return isinstance(found, np.ndarray) and found.dtype == np.float64
