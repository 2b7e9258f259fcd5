"""What a real environment is asked before anything is recorded of it: its system and its rules."""

from __future__ import annotations

import hashlib
import inspect
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache

import gymnasium as gym
from torch import Tensor

from learned_envs.card_entries import Entries
from learned_envs.collect.traced import traced_rules
from learned_envs.entry_point import load
from learned_envs.registry import TRACED, TaskEntry, task_class, task_entry, task_of
from learned_envs.systems.discovery import discover
from learned_envs.systems.probe import probed_spec
from learned_envs.systems.reference import make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Task


@dataclass(frozen=True)
class Asked:
    """What a real environment says of itself.

    Attributes:
        spec: the system.
        task: what is seen, paid and ended.
        entries: what a card says of the task; nothing if it is a registered one.
        starts: (n, nq + nv + leaves), recorded starts; None if the task draws its own.
    """

    spec: SystemSpec
    task: Task
    entries: Entries = field(default_factory=Entries)
    starts: Tensor | None = None


def ask(task: str, spec: SystemSpec | None = None) -> Asked:
    """Ask the real environment of a task what it is; it takes some seconds the first time.

    Args:
        task: name of the task.
        spec: the system, if that is known: then the environment of a registered task is not asked.

    Raises:
        UnknownNameError: if there is no such task.
        SystemSpecError: if the environment is none that a model can be made of.
        UntraceableRulesError: if its rules cannot be traced.
    """
    task = task_of(task)
    entry = task_entry(task)
    if entry.entry_point == TRACED:
        return _traced(task, fingerprint(task))
    spec = probed_spec(task) if spec is None else spec
    return Asked(spec, task_class(task).create(spec, {}))


def fingerprint(task: str) -> str:
    """Return what tells whether the code that makes a task's environment is still the same."""
    entry = task_entry(task)
    spec = gym.spec(entry.reference_id.rpartition(":")[2])
    made = spec.entry_point
    kind = load(made) if isinstance(made, str) else made
    sources = [repr((spec.id, sorted(spec.kwargs.items(), key=str), sorted(entry.kwargs.items())))]
    for base in getattr(kind, "__mro__", [kind])[:-1]:
        try:
            sources.append(inspect.getsource(inspect.getmodule(base) or base))
        except (OSError, TypeError):
            sources.append(repr(base))
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()


@lru_cache(maxsize=8)
def _traced(task: str, code: str) -> Asked:
    entry = task_entry(task)
    with closing(make_reference(task, disable_env_checker=True)) as env:
        found = traced_rules(env, discover(env), entry)
    return Asked(found.task.spec, found.task, found.entries, found.task.starts)


def asked_spec(entry: TaskEntry) -> SystemSpec:
    """Return the system of a task whose environment says what it is."""
    return ask(entry.name).spec
