"""Traces the rules of an environment: its own code runs on arrays that write down what is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.contact import Pair
from learned_envs.rules.tracing.cut import cut_at
from learned_envs.rules.tracing.environment import kept
from learned_envs.rules.tracing.modules import globals_kept, library, modules_of
from learned_envs.rules.tracing.oracle import TooManyWaysError
from learned_envs.rules.tracing.part import NotApartError, methods_of
from learned_envs.rules.tracing.rename import joined, needed, start_of, start_of_step, step_of
from learned_envs.rules.tracing.session import Seen, Session, real_step
from learned_envs.systems.slot import Slot, kind_of

STEPS_BEFORE = 2
"""Real steps before tracing, so that what is made at the first step is there."""

MOST_CUTS = 4
"""Methods of one environment that are recorded instead of traced."""

RETURNED = ("observation", "reward", "terminated", "truncated")


@dataclass(frozen=True)
class Trace:
    """What was traced of an environment.

    Attributes:
        step: the graph of a step, with the outputs that could be traced.
        start: the graph of what a reset returns for a state, and of infos that it may return; None
            if what it shows cannot be told.
        ways: in how many ways a step can go.
        notes: what was taken for granted, a sentence each.
        missing: what of a step could not be traced, and the error that says why.
        cuts: methods whose results are inputs, `after.call.METHOD`, because they could not be
            traced; with the error that says why.
        found: slots of memory that was looked for, and is among the inputs and outputs.
        changed: slots of all that a step changes and that had no slot before.
    """

    step: Graph
    start: Graph | None
    ways: int
    notes: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, str] = field(default_factory=dict)
    found: tuple[Slot, ...] = ()
    changed: tuple[Slot, ...] = ()


def trace_rules(
    env: gym.Env[Any, Any],
    slots: Sequence[Slot] = (),
    touching: Sequence[Pair] | None = None,
    whole: bool = True,
    search: bool = False,
) -> Trace:
    """Trace the rules of an environment, and leave it as it was.

    Args:
        env: a MuJoCo environment, wrapped or not; wrappers are not traced.
        slots: of its memory.
        touching: pairs of geoms that may touch, where a step asks for contacts; all that MuJoCo
            tests, if None.
        whole: whether all that a step returns must be traced. If not, methods that cannot be are
            cut, and what still cannot be traced is missing.
        search: whether memory that has no slot is looked for, in what a step reads and changes.

    Raises:
        UntraceableRulesError: if a line of the environment stops it; the message says which.
    """
    base = env.unwrapped
    with kept(base):
        session = Session(base, _prepared(base), slots, touching)
        found = _trace(session) if whole else _parts(session)
        return _with_memory(session, found, whole) if search else found


def _trace(session: Session, why: dict[str, str] | None = None) -> Trace:
    """Trace a whole step."""
    graph, seen = _in_parts(session)
    if seen.calls == {0}:
        raise UntraceableRulesError(
            "Got a step that calls no physics, expected one that calls mujoco.mj_step."
        )
    if len(seen.calls) > 1:
        raise UntraceableRulesError(
            f"Got a step that calls physics {sorted(seen.calls)} times, depending on the state, "
            "expected as many calls in every step."
        )
    step = step_of(graph, seen.calls.pop())
    changed = tuple(seen.changed.values())
    start = _start(session, step)
    return Trace(step, start, seen.ways, tuple(seen.notes), {}, why or {}, (), changed)


def _in_parts(session: Session) -> tuple[Graph, Seen]:
    """Trace a step: if it goes too many ways, with those of its methods put together."""
    try:
        return session.step()
    except TooManyWaysError as error:
        session.apart = methods_of(session.base)
        while session.apart:
            try:
                return session.step()
            except NotApartError as method:
                session.apart.remove(method.place)
        raise error


def _with_memory(session: Session, first: Trace, whole: bool) -> Trace:
    """Trace again, with what a step changes as memory, as far as anything depends on it."""
    given = tuple(session.slots)
    if not first.changed or first.missing:
        return first
    known = {f"memory.{slot.name}" for slot in given}
    try:
        session.slots = (*given, *first.changed)
        read = needed(_trace(session).step, known)
        found = tuple(slot for slot in first.changed if f"memory.{slot.name}" in read)
        _expect_numbers(session, found)
        session.slots = (*given, *found)
        again = _trace(session, first.cuts) if found else first
    except UntraceableRulesError as error:
        if whole:
            raise
        session.slots = given
        return dataclasses.replace(first, notes=(*first.notes, str(error)))
    return dataclasses.replace(again, found=found)


def _expect_numbers(session: Session, slots: Sequence[Slot]) -> None:
    """Refuse memory that is not there after a reset."""
    with kept(session.base, simulated=False):
        session.base.reset(seed=0)
        for slot in slots:
            value = slot.found(session.base)
            if np.shape(value) != slot.shape or kind_of(value) is None:
                raise UntraceableRulesError(
                    f"Got {slot.name}, which a step reads and changes, as {value!r} after a reset, "
                    f"expected numbers of shape {slot.shape} as after a step. Set it in reset()."
                )


def _start(session: Session, step: Graph | None) -> Graph | None:
    """Trace what a reset returns: by the methods that steps call for it, or as a step has it.

    Infos of a step are among it, whether or not a reset returns them.
    """
    as_stepped = None if step is None else start_of_step(step)
    try:
        # What it keeps is as a reset leaves it.
        with kept(session.base, simulated=False):
            session.base.reset(seed=0)
            shown = start_of(session.shown()[0])
    except (UntraceableRulesError, AttributeError):
        known = as_stepped is not None and "observation" in as_stepped.outputs
        return as_stepped if known else None
    return shown if as_stepped is None else joined(as_stepped, shown)


def _parts(session: Session) -> Trace:
    """Trace as much of a step as can be."""
    why: dict[str, str] = {}
    while True:
        try:
            return _trace(session, why)
        except UntraceableRulesError as error:
            reason = str(error)
            cut = cut_at(error, session.base, lambda: real_step(session.base))
        if cut is None or cut.name in why or len(why) == MOST_CUTS:
            break
        session.cuts.append(cut)
        why[cut.name] = reason
    session.cuts.clear()
    start = _start(session, None)
    found, notes = [], []
    try:
        graph, seen = session.control()
        found.append(graph)
        notes = seen.notes
    except UntraceableRulesError as error:
        notes.append(str(error))
    frozen = {f"memory.{slot.name}" for slot in session.slots if slot.frozen}
    if start is not None and all(
        name in frozen or not name.startswith("memory.") for name in start.inputs
    ):
        found.append(_only(start, "observation"))
    step = joined(*found)
    missing = {name: reason for name in (*RETURNED, "ctrl") if name not in step.outputs}
    return Trace(step, start, 1, tuple(notes), missing)


def _only(graph: Graph, name: str) -> Graph:
    return Graph(graph.nodes, {name: graph.outputs[name]})


def _prepared(base: Any) -> list[Any]:
    """Reset and step an environment for real; return the modules whose code runs in a step."""

    def run() -> None:
        base.reset(seed=0)
        for _ in range(STEPS_BEFORE):
            real_step(base)

    names = [kind.__module__ for kind in type(base).__mro__ if not library(kind.__module__)]
    with globals_kept(names):
        return modules_of(run, names)
