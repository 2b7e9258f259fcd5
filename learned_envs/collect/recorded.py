"""Make real environments of a task that are recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import gymnasium as gym

from learned_envs.collect.hindrance import hindrance
from learned_envs.collect.lockstep import Lockstep
from learned_envs.collect.recorder import Recorder
from learned_envs.data.recording import Array, Episode
from learned_envs.systems.reference import make_reference
from learned_envs.tasks.task import Task
from learned_envs.tasks.traced import TracedTask

_logger = logging.getLogger("learned_envs")


@dataclass(frozen=True)
class RecordedEnvs:
    """Makes real environments of a task that are recorded: one, or many in lockstep.

    Attributes:
        task: name of the task.
        rules: the task.
        actor: who acts.
        on_episode: called with each episode at its end.
        alone: whether none are stepped in lockstep.
    """

    task: str
    rules: Task
    actor: str
    on_episode: Callable[[Episode], None]
    alone: bool = False

    def __call__(self) -> Recorder:
        """Make one environment."""
        return self.around(make_reference(self.task))

    def around(self, env: gym.Env[Array, Array]) -> Recorder:
        """Record an environment that is there."""
        return Recorder(env, self.actor, self.on_episode, self.rules.sensors, self.rules.spec)

    def lockstep(self, count: int) -> Lockstep | None:
        """Make many that are stepped together; None if the environment cannot be stepped so."""
        if self.alone or not isinstance(self.rules, TracedTask):
            return None
        with ExitStack() as stack:
            env = make_reference(self.task)
            stack.callback(env.close)
            if (why := hindrance(self.rules, env)) is not None:
                _logger.info(f"{self.task} is recorded one environment at a time: {why}.")
                return None
            made = Lockstep(env, self.rules, count, self.actor, self.on_episode)
            stack.pop_all()
        return made
