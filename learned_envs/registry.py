"""The tasks, model families and improvers by name. Each is imported only if it is asked for.

`catalogue.py` registers the package's own. You register yours by the same functions:

    register_task("MyRobot", "my_robot:MyRobotTask", reference_id="MyRobot-v0")
    register_family("mine", "my_models:Mine")
    register_improver("mine", "my_agents:improver")
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from learned_envs import argument
from learned_envs.errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from learned_envs.dynamics.dynamics import Family
    from learned_envs.tasks.task import Task

DEFAULT_FAMILY = "second_order"

DESCRIBED = "learned_envs.systems.reference:describe_reference"
"""What makes the spec of most systems: it makes the reference environment and asks it."""

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


TASKS: dict[str, TaskEntry] = {}
"""Every task, by name; `register_task` adds to it."""

FAMILIES: dict[str, str] = {}
"""The "module:Class" of every model family, by name; `register_family` adds to it."""

IMPROVERS: dict[str, str] = {}
"""The "module:callable" of every improver of agents, by name; `register_improver` adds to it."""


def register_task(
    name: str,
    entry_point: str,
    *,
    reference_id: str,
    kwargs: Mapping[str, Any] | None = None,
    spec: str = DESCRIBED,
    driven: bool = True,
) -> TaskEntry:
    """Make a task known, and register its learned environment with Gymnasium.

    Args:
        name: of the task; its environment is `LearnedSim-{name}-v0`.
        entry_point: "module:Class", a [`Task`][learned_envs.tasks.task.Task].
        reference_id: the Gymnasium id of the real environment, or "module:id", whose module is
            imported. It must be registered, because the learned environment takes its step limit
            and reward threshold.
        kwargs: keyword arguments that `gym.make` makes the real environment with.
        spec: "module:callable", from a [`TaskEntry`][learned_envs.registry.TaskEntry] to its
            [`SystemSpec`][learned_envs.systems.spec.SystemSpec].
        driven: whether the system has actuators.

    Raises:
        ParameterError: if another task has the name.
        gymnasium.error.UnregisteredEnv: if the real environment is not registered.
    """
    for told, value in (("entry_point", entry_point), ("reference_id", reference_id)):
        argument.instance(told, value, str)
    entry = TaskEntry(name, entry_point, reference_id, dict(kwargs or {}), spec, driven)
    module, _, name_of_reference = reference_id.rpartition(":")
    if module:
        importlib.import_module(module)
    reference = gym.spec(name_of_reference)
    _add("task", name, entry, TASKS)
    if env_id(name) not in gym.registry:
        gym.register(
            id=env_id(name),
            entry_point="learned_envs.envs.single:LearnedEnv",
            vector_entry_point="learned_envs.envs.vector:LearnedVectorEnv",
            kwargs={"task": name},
            max_episode_steps=reference.max_episode_steps,
            reward_threshold=reference.reward_threshold,
        )
    return entry


def register_family(name: str, entry_point: str | type[Family]) -> None:
    """Make a model family known.

    Args:
        name: of the family, in cards and on the command line.
        entry_point: a [`Family`][learned_envs.dynamics.dynamics.Family], or its "module:Class".

    Raises:
        ParameterError: if another family has the name.
    """
    _add("family", name, _entry_point(entry_point), FAMILIES)


def register_improver(name: str, entry_point: str) -> None:
    """Make an improver known, which trains agents between the rounds of a fit.

    Args:
        name: what `--algorithm` calls it.
        entry_point: "module:callable", from a task's name and a
            [`RoundsConfig`][learned_envs.fit.config.RoundsConfig] to an
            [`Improve`][learned_envs.fit.rounds.Improve].

    Raises:
        ParameterError: if another improver has the name.
    """
    argument.instance("entry_point", entry_point, str)
    _add("improver", name, entry_point, IMPROVERS)


def env_id(task: str) -> str:
    """Return the Gymnasium id of a task's learned environment."""
    return f"LearnedSim-{task}-v0"


def task_entry(name: str) -> TaskEntry:
    """Return what is known of a task.

    Raises:
        UnknownNameError: if there is none of that name.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name]


def reference_id(task: str) -> str:
    """Return the Gymnasium id of the real environment that a task is modelled on.

    Raises:
        UnknownNameError: if there is no such task.
    """
    return task_entry(task).reference_id


def task_of(name: str) -> str:
    """Return the task that `name`, a task or a `LearnedSim-*` id, stands for.

    Raises:
        UnknownNameError: if there is none.

    Examples:
        >>> task_of("LearnedSim-Hopper-v0")
        'Hopper'
    """
    if not isinstance(name, str):
        raise UnknownNameError("task", repr(name), TASKS)
    by_id = {env_id(task): task for task in TASKS}
    task = by_id.get(name.removeprefix("learned_envs:"), name)
    if task not in TASKS:
        known = by_id if name.startswith("LearnedSim-") else TASKS
        raise UnknownNameError("task", name, known)
    return task


def task_class(name: str) -> type[Task]:
    """Import the class of a task.

    Raises:
        UnknownNameError: if there is none of that name.
    """
    loaded: type[Task] = load(task_entry(name).entry_point)
    return loaded


def family_class(name: str) -> type[Family]:
    """Import the configuration class of a model family.

    Raises:
        UnknownNameError: if there is none of that name.
    """
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    loaded: type[Family] = load(FAMILIES[name])
    return loaded


def family_name(family: type[Family]) -> str:
    """Return the name that a family is registered by.

    Raises:
        UnknownNameError: if it is not registered.
    """
    by_entry_point = {entry_point: name for name, entry_point in FAMILIES.items()}
    entry_point = _entry_point(family)
    if entry_point not in by_entry_point:
        raise UnknownNameError("family", family.__name__, FAMILIES)
    return by_entry_point[entry_point]


def improver(name: str) -> Any:
    """Import what trains agents in rounds.

    Args:
        name: a registered name, or any "module:callable".

    Raises:
        UnknownNameError: if it is neither.
    """
    if name not in IMPROVERS and ":" not in name:
        raise UnknownNameError("improver", name, IMPROVERS)
    return load(IMPROVERS.get(name, name))


def load(entry_point: str) -> Any:
    """Import what "module:attribute" names; the attribute may have dots.

    Raises:
        UnknownNameError: if the module lacks it, or there is no such module.
    """
    module, _, path = entry_point.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # If the module exists and lacks another one, that error says more.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UnknownNameError("module", module, ()) from error
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            public = [name for name in vars(found) if not name.startswith("_")]
            raise UnknownNameError(f"attribute of {module}", path, public)
        found = getattr(found, attribute)
    return found


def shipped_weights(task: str) -> Path:
    """Return the path of a task's weights in the package, whether or not they exist."""
    return Path(__file__).parent / "weights" / f"{task}.safetensors"


def _add(kind: str, name: str, entry: Any, entries: dict[str, Any]) -> None:
    argument.instance("name", name, str)
    if not name:
        raise ParameterError(f"Got no name for the {kind}, expected one such as 'Mine'.")
    if entries.get(name, entry) != entry:
        raise ParameterError(
            f"Got {kind} {name!r} as {entry}, but it is registered as {entries[name]}. Choose "
            "another name."
        )
    entries[name] = entry


def _entry_point(family: str | type[Family]) -> str:
    argument.instance("entry_point", family, str, type)
    return family if isinstance(family, str) else f"{family.__module__}:{family.__qualname__}"
