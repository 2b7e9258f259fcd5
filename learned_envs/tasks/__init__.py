"""One file a task: what is asked of a system, equal to its reference environment's."""

from learned_envs.tasks.task import Task, Transition

__all__ = ["Task", "Transition"]
