"""The tasks, model families and improvers by name. Each is imported only if it is asked for.

`catalogue.py` registers the package's own. You register yours by the same functions:

    register_task("MyRobot", "my_robot:MyRobotTask", reference_id="MyRobot-v0")
    register_family("mine", "my_models:Mine")
    register_improver("mine", "my_agents:improver")

An environment needs no entry: its own name, such as "my_robot:MyRobot-v0", is a task whose rules
are traced from its code. See `reference_name.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from learned_envs import argument
from learned_envs.entry_point import entry_point_of, load
from learned_envs.errors import ParameterError, UnknownNameError
from learned_envs.reference_name import BARE, ReferenceName
from learned_envs.task_entry import DESCRIBED, DISCOVERED, TRACED, TaskEntry

if TYPE_CHECKING:
    from learned_envs.dynamics.dynamics import Family
    from learned_envs.tasks.task import Task

DEFAULT_FAMILY = "second_order"

LEARNED = "learned_envs.envs.making:make_single"
"""What makes learned environments."""

ANY = "LearnedSim-v0"
"""The id of the environment of any checkpoint."""

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
    register_env(
        env_id(name), {"task": name}, reference.max_episode_steps, reference.reward_threshold
    )
    return entry


def register_env(
    id: str, kwargs: Mapping[str, Any], steps: int | None, reward_threshold: float | None
) -> None:
    """Register a learned environment with Gymnasium, unless the id is there.

    Args:
        id: of the environment.
        kwargs: what it is made with.
        steps: after which an episode is truncated; None for never.
        reward_threshold: from which return on it counts as solved.
    """
    if id not in gym.registry:
        gym.register(
            id=id,
            entry_point=LEARNED,
            vector_entry_point="learned_envs.envs.making:make_vector",
            kwargs=dict(kwargs),
            max_episode_steps=steps,
            reward_threshold=reward_threshold,
        )


def register_family(name: str, entry_point: str | type[Family]) -> None:
    """Make a model family known.

    Args:
        name: of the family, in cards and on the command line.
        entry_point: a [`Family`][learned_envs.dynamics.dynamics.Family], or its "module:Class".

    Raises:
        ParameterError: if another family has the name.
    """
    _add("family", name, entry_point_of(entry_point), FAMILIES)


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
    if task not in TASKS and (own := ReferenceName.read(task)) is not None:
        return f"LearnedSim-{own.short}-v0"
    return f"LearnedSim-{task}-v0"


def learned_id(name: str) -> str:
    """Return the id of the learned environment that a task, an environment or an id stands for.

    Raises:
        UnknownNameError: if there is none.
    """
    bare = name.removeprefix("learned_envs:") if isinstance(name, str) else ""
    if (found := gym.registry.get(bare)) is not None and found.entry_point == LEARNED:
        return bare
    return env_id(task_of(name))


def folder_name(task: str) -> str:
    """Return the name of a task's folder of fits."""
    own = None if task in TASKS else ReferenceName.read(task)
    return (task if own is None else own.short).lower()


def task_entry(name: str) -> TaskEntry:
    """Return what is known of a task, a registered one or one of an environment's own name.

    Raises:
        UnknownNameError: if there is none of that name.
        ParameterError: if it is the name of an environment that cannot be found.
    """
    if name in TASKS:
        return TASKS[name]
    if (own := ReferenceName.read(name)) is None:
        raise UnknownNameError("task", name, TASKS)
    reference, task = own.spec(), str(own)
    # Nothing is paid in the environment of a bare file, so there is nothing to learn.
    driven = own.reference_id != BARE
    entry = TaskEntry(task, TRACED, own.reference_id, own.kwargs, DISCOVERED, driven)
    steps, threshold = reference.max_episode_steps, reference.reward_threshold
    register_env(env_id(task), {"task": task}, steps, threshold)
    return entry


def reference_id(task: str) -> str:
    """Return the Gymnasium id of the real environment that a task is modelled on.

    Raises:
        UnknownNameError: if there is no such task.
    """
    return task_entry(task).reference_id


def own_name(name: str) -> str:
    """Return a task's own name, which may be given as its environment's if its rules are traced.

    Examples:
        >>> own_name("Ant-v5"), own_name("Hopper-v5")
        ('Ant', 'Hopper-v5')
    """
    for task, entry in TASKS.items():
        if entry.reference_id == name and entry.entry_point == TRACED and not entry.kwargs:
            return task
    return name


def same_task(name: str, other: str) -> bool:
    """Return whether two names are of one task; see `own_name`."""
    return own_name(name) == own_name(other)


def task_of(name: str) -> str:
    """Return the task that `name`, a task, a `LearnedSim-*` id or an environment, stands for.

    Raises:
        UnknownNameError: if there is none.
        ParameterError: if it is the name of an environment that cannot be found.

    Examples:
        >>> task_of("LearnedSim-Hopper-v0")
        'Hopper'
    """
    if not isinstance(name, str):
        raise UnknownNameError("task", repr(name), TASKS)
    by_id = {env_id(task): task for task in TASKS}
    bare = name.removeprefix("learned_envs:")
    if (task := by_id.get(bare, own_name(name))) in TASKS:
        return task
    if bare.startswith("LearnedSim-"):
        if bare in gym.registry and "task" in (kwargs := gym.registry[bare].kwargs):
            return str(kwargs["task"])
        raise UnknownNameError("task", name, by_id)
    return task_entry(name).name


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
    entry_point = entry_point_of(family)
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
