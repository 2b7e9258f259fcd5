"""What a real environment is asked before anything is recorded of it: its system and its rules."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from torch import Tensor

from learned_envs.card_entries import Entries, Reference
from learned_envs.checkpoint import Opened
from learned_envs.collect.own_code import sources_of
from learned_envs.collect.same_system import expect_same_system
from learned_envs.collect.traced import reference_of, traced_rules, traced_task
from learned_envs.errors import ParameterError, RebuiltDataWarning, UntraceableRulesError
from learned_envs.reference_name import ReferenceName
from learned_envs.registry import task_class, task_entry, task_of
from learned_envs.systems.difference import differences
from learned_envs.systems.discovery import Probed, discover
from learned_envs.systems.probe import probed_spec
from learned_envs.systems.reference import describe, make_reference
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import TRACED, TaskEntry
from learned_envs.tasks.motion import Motion
from learned_envs.tasks.task import Task
from learned_envs.tasks.traced import TracedTask

COMPARED_AGAIN = 500
"""Steps that rules are compared in which are traced again with other parameters."""


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
    return repr(sorted(sources_of(task).items()))


@lru_cache(maxsize=8)
def _traced(task: str, code: str) -> Asked:
    entry = task_entry(task)
    with closing(make_reference(task, disable_env_checker=True)) as env:
        reference = reference_of(env, entry)
        probed = discover(env)
        try:
            found = traced_rules(env, probed, entry, reference)
        except UntraceableRulesError as error:
            return _hosted(probed, reference, error)
    return Asked(found.task.spec, found.task, found.entries, found.task.starts)


def _hosted(probed: Probed, reference: Reference, error: UntraceableRulesError) -> Asked:
    """Return what is known of an environment whose own code must say what is seen and paid."""
    warnings.warn(
        f"The rules of {reference.id} can be used in its own code alone: make what is fitted "
        f"with rules='hosted'. {error}",
        RebuiltDataWarning,
        stacklevel=2,
    )
    # All of them: what its code returns may depend on any.
    spec = probed.spec
    entries = Entries(reference=reference, notes=(*probed.notes, str(error)))
    return Asked(spec, Motion(spec=spec), entries)


def retraced(task: TracedTask, parameters: Mapping[str, Any]) -> TracedTask:
    """Return the task of the same system with other constructor parameters, traced anew.

    Raises:
        ParameterError: if the environment cannot be made with them, if they change its system, or
            if its rules then need what the model does not predict.
    """
    try:
        code = fingerprint(task.name)
    except ParameterError as error:
        raise ParameterError(
            f"Got {dict(parameters)}, for which the environment's own code is traced anew. {error}"
        ) from error
    found = _retraced(task.name, code, _Parameters(parameters), task.spec)
    if unknown := _unpredicted(found, task.sensors):
        raise ParameterError(
            f"Got {dict(parameters)}, with which the rules read {', '.join(unknown)}, which the "
            "model does not predict. Fit a model to the environment with these parameters."
        )
    return found


def _unpredicted(task: Task, predicted: Sequence[Sensor]) -> list[str]:
    """Return the names of what a task's rules read and a model does not predict."""
    sizes = {sensor.name: sensor.size for sensor in predicted}
    return [sensor.name for sensor in task.sensors if sizes.get(sensor.name) != sensor.size]


def rules_of(reference: str, opened: Opened, parameters: Mapping[str, Any]) -> TracedTask:
    """Return the task of another environment, for a model of the same system.

    Args:
        reference: the environment's own name, as the registry reads it.
        opened: the model, and its card.
        parameters: of the environment's constructor.

    Raises:
        ParameterError: if there is no such environment, if it has another system, or if its rules
            need what the model does not predict.
        UntraceableRulesError: if they cannot be traced.
    """
    name = ReferenceName.read(reference) if isinstance(reference, str) else None
    if name is None:
        raise ParameterError(
            f"Got reference={reference!r}, expected the name of an environment, such as "
            "'my_robot:MyRobot-v0'."
        )
    task, card = str(name), opened.card
    task_entry(task)
    code, given = fingerprint(task), _Parameters(parameters)
    found = _rules_of(task, code, given, card.spec, card.task, card.mjcf)
    if unknown := _unpredicted(found, card.sensors):
        raise ParameterError(
            f"The rules of {task} read {', '.join(unknown)}, which the model of {card.task} does "
            f"not predict. Fit a model to {task}."
        )
    return found


@lru_cache(maxsize=32)
def _rules_of(
    task: str, code: str, parameters: _Parameters, spec: SystemSpec, known: str, mjcf: str | None
) -> TracedTask:
    with closing(make_reference(task, disable_env_checker=True, **parameters)) as env:
        expect_same_system(env, spec, known, mjcf)
        found = traced_task(env, spec, task_entry(task), steps=COMPARED_AGAIN)
    return dataclasses.replace(found, given=dict(parameters))


class _Parameters(dict[str, Any]):
    """Parameters that are told apart by how they look."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(sorted(self.items())))


@lru_cache(maxsize=32)
def _retraced(task: str, code: str, parameters: _Parameters, spec: SystemSpec) -> TracedTask:
    entry = task_entry(task)
    with (
        closing(make_reference(task, disable_env_checker=True)) as known,
        closing(make_reference(task, disable_env_checker=True, **parameters)) as env,
    ):
        if changed := differences(describe(env), describe(known)):
            where, got, expected = changed[0]
            raise ParameterError(
                f"Got {dict(parameters)}, which changes the system: {where} is {got}, and was "
                f"{expected}. A parameter that changes the physics needs a model fitted to it."
            )
        found = traced_task(env, spec, entry, steps=COMPARED_AGAIN)
    return dataclasses.replace(found, given=dict(parameters))


def asked_spec(entry: TaskEntry) -> SystemSpec:
    """Return the system of a task whose environment says what it is."""
    return ask(entry.name).spec
