"""Traces the rules of an environment: its own code runs on arrays that write down what is done."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.contact import Pair, over_contacts
from learned_envs.rules.tracing.environment import kept, remembered, substituted
from learned_envs.rules.tracing.modules import library, modules_of, replaced
from learned_envs.rules.tracing.oracle import RaisedError, explored, merged
from learned_envs.rules.tracing.output import (
    check_middle,
    choose,
    flat,
    infos,
    logical,
    number,
    renamed,
)
from learned_envs.rules.tracing.physics import Physics, mujoco_functions
from learned_envs.rules.tracing.refusal import where
from learned_envs.rules.tracing.substitute import substitutes
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot

STEPS_BEFORE = 2
"""Real steps before tracing, so that what is made at the first step is there."""

Outputs = dict[str, int]


@dataclass(frozen=True)
class Trace:
    """What was traced of an environment.

    Attributes:
        step: the graph of a step.
        start: the graph of what a reset returns for a state; None if it cannot be told.
        ways: in how many ways a step can go.
        notes: what was taken for granted, a sentence each.
    """

    step: Graph
    start: Graph | None
    ways: int
    notes: tuple[str, ...] = ()


def trace_rules(
    env: gym.Env[Any, Any], slots: Sequence[Slot] = (), touching: Sequence[Pair] | None = None
) -> Trace:
    """Trace the rules of an environment, and leave it as it was.

    Args:
        env: a MuJoCo environment, wrapped or not; wrappers are not traced.
        slots: of its memory.
        touching: pairs of geoms that may touch, where a step asks for contacts; all that MuJoCo
            tests, if None.

    Raises:
        UntraceableRulesError: if a line of the environment stops it; the message says which.
    """
    base = env.unwrapped
    with kept(base):
        modules = _prepared(base)
        session = _Session(base, modules, slots)
        step, ways, notes = session.step(touching)
        start = session.start(step)
    return Trace(step, start, ways, tuple(notes))


def _prepared(base: Any) -> list[Any]:
    """Reset and step an environment for real; return the modules whose code runs in a step."""
    rng = np.random.default_rng(0)
    space = base.action_space

    def run() -> None:
        base.reset(seed=0)
        for _ in range(STEPS_BEFORE):
            low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
            base.step(rng.uniform(low, high).astype(space.dtype))

    names = [kind.__module__ for kind in type(base).__mro__ if not library(kind.__module__)]
    return modules_of(run, names)


@dataclass
class _Seen:
    """What was seen while a step was run in all its ways.

    Attributes:
        calls: how often physics was called.
        stages: of which contacts were asked for.
        errors: that the environment raised.
        ways: in which the step went.
    """

    calls: set[int] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)
    ways: int = 0

    def calls_of_physics(self) -> int:
        if self.calls == {0}:
            raise UntraceableRulesError(
                "Got a step that calls no physics, expected one that calls mujoco.mj_step."
            )
        if len(self.calls) > 1:
            raise UntraceableRulesError(
                f"Got a step that calls physics {sorted(self.calls)} times, depending on the "
                "state, expected as many calls in every step."
            )
        return next(iter(self.calls))

    def stage(self) -> str:
        if len(self.stages) > 1:
            raise UntraceableRulesError(
                "Got a step that asks for contacts after several calls of physics, expected it to "
                "ask after the last."
            )
        return next(iter(self.stages))


class _Session:
    """Traces one environment, again and again."""

    def __init__(self, base: Any, modules: list[Any], slots: Sequence[Slot]) -> None:
        self.base, self.modules, self.slots = base, modules, slots
        self.data = locate(base)[1]
        self.table: dict[int, Any] = {}

    @contextlib.contextmanager
    def tracer(self) -> Iterator[Tracer]:
        """Let numpy, math and MuJoCo be traced in the environment's modules."""
        tracer = Tracer(GraphBuilder())
        self.table, names = substitutes(tracer)
        self.table |= mujoco_functions()
        with replaced(self.modules, self.table, names):
            yield tracer

    def step(self, pairs: Sequence[Pair] | None) -> tuple[Graph, int, list[str]]:
        """Trace a step: its graph, in how many ways it goes, and notes."""
        notes: list[str] = []
        with self.tracer() as tracer:
            seen = _Seen()

            def outcome(contacts: Sequence[Pair]) -> Outputs:
                ways = explored(tracer.oracle, lambda: self._stepped(tracer, contacts, seen))
                seen.ways += sum(way.error is None for way in ways)
                seen.errors.update(f"{type(w.error).__name__}: {w.error}" for w in ways if w.error)
                return merged(tracer.builder, ways, decide) or {}

            decide = choose(tracer.builder, notes)
            outputs = outcome([])
            if seen.stages:
                stage = seen.stage()
                outputs = over_contacts(
                    tracer.builder, self.data.model, stage, outcome, decide, pairs
                )
            graph = renamed(tracer.builder.graph(outputs), seen.calls_of_physics())
        check_middle(graph)
        notes += [f"A step that raises {error} is taken not to happen." for error in seen.errors]
        return graph, seen.ways, list(dict.fromkeys(notes))

    def _stepped(self, tracer: Tracer, contacts: Sequence[Pair], seen: _Seen) -> Outputs:
        """Run the step once, on the way that the oracle chooses."""
        space = self.base.action_space
        example = np.clip(np.full(space.shape, 0.1), space.low, space.high).astype(space.dtype)
        physics = Physics(tracer, self.data, contacts)
        with substituted(self.base, tracer, physics, self.slots, self.table) as memory:
            action = Traced(tracer.input("action", example))
            observation, reward, terminated, truncated, info = _guarded(
                lambda: self.base.step(action)
            )
            outputs = {
                "observation": flat(tracer, self.base.observation_space, observation),
                "reward": number(tracer, reward),
                "terminated": logical(tracer, terminated),
                "truncated": logical(tracer, truncated),
                **infos(tracer, info),
            }
            for name, node in remembered(self.base, tracer, memory).items():
                outputs[f"memory.{name}"] = node
        seen.calls.add(physics.calls)
        seen.stages |= physics.asked
        return outputs | physics.given

    def start(self, step: Graph) -> Graph | None:
        """Trace what a reset returns."""
        if not hasattr(self.base, "_get_obs"):
            return None
        with self.tracer() as tracer:

            def run() -> Outputs:
                physics = Physics(tracer, self.data, stage="after")
                with substituted(self.base, tracer, physics, self.slots, self.table):
                    seen = _guarded(self.base._get_obs)
                    info = _guarded(getattr(self.base, "_get_reset_info", dict))
                    node = flat(tracer, self.base.observation_space, seen)
                    return {"observation": node, **infos(tracer, info)}

            try:
                ways = explored(tracer.oracle, run)
            except UntraceableRulesError:
                return None
            outputs = merged(tracer.builder, ways, choose(tracer.builder, []))
            return tracer.builder.graph(outputs)


def _guarded(run: Callable[[], Any]) -> Any:
    """Run code of the environment; what it raises itself is `RaisedError`."""
    try:
        return run()
    except UntraceableRulesError:
        raise
    except Exception as error:
        # numpy says in its own words what was refused where it asked for a number.
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UntraceableRulesError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        last = traceback.extract_tb(error.__traceback__)[-1]
        if (last.line or "").startswith(
            ("raise", "assert")
        ) and "learned_envs" not in last.filename:
            raise RaisedError from error
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        place, line = where(frames[-1])
        raise UntraceableRulesError(
            f"{place}, `{line}`: got {type(error).__name__}: {error} while it was traced. To "
            "have it traced, write the line with numpy's functions on arrays of fixed shape.",
            place,
        ) from error
