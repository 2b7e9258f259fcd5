"""What is known of a task before anything of it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DESCRIBED = "learned_envs.systems.reference:describe_reference"
"""What makes the spec of most systems: it makes the reference environment and asks it."""

LOGGED = "learned_envs.systems.logged:LoggedRobot-v0"
"""The environment of a robot that only recordings are known of."""

DISCOVERED = "learned_envs.collect.asking:asked_spec"
"""What makes the spec of the system of an environment that has no entry: it acts in it."""

RULES_OF = "learned_envs.collect.asking:rules_of"
"""What traces the rules of another environment for a model of the same system."""

TRACED = "learned_envs.tasks.traced:TracedTask"
"""The task of an environment that has no entry."""

CHECKED = "learned_envs.collect.agreement:check_recording"
"""What holds a recording against the real environment of a task. It stands above the room that
keeps recordings, which asks for it by this name."""


@dataclass(frozen=True)
class TaskEntry:
    """What is known of a task before anything of it is imported.

    Attributes:
        name: of the task.
        entry_point: "module:Class", a `Task`.
        reference_id: the Gymnasium id of the real environment.
        kwargs: keyword arguments that `gym.make` makes it with.
        spec: "module:callable", which returns the `SystemSpec` of an entry.
        driven: whether the system has actuators, so that an agent can learn to use them.
    """

    name: str
    entry_point: str
    reference_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    spec: str = DESCRIBED
    driven: bool = True

    @property
    def measured(self) -> bool:
        """Whether its data was measured on a robot, so that MuJoCo need not confirm it."""
        return self.reference_id == LOGGED
