"""Traces the rules of an environment: its own code runs on arrays that write down what is done."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.environment import kept, remembered, substituted
from learned_envs.rules.tracing.modules import library, modules_of, replaced
from learned_envs.rules.tracing.oracle import RaisedError, explored, merged
from learned_envs.rules.tracing.physics import Physics, mujoco_functions
from learned_envs.rules.tracing.refusal import where
from learned_envs.rules.tracing.spaces import flat
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


def trace_rules(env: gym.Env[Any, Any], slots: Sequence[Slot] = ()) -> Trace:
    """Trace the rules of an environment, and leave it as it was.

    Args:
        env: a MuJoCo environment, wrapped or not; wrappers are not traced.
        slots: of its memory.

    Raises:
        UntraceableRulesError: if a line of the environment stops it; the message says which.
    """
    base = env.unwrapped
    with kept(base):
        modules = _prepared(base)
        session = _Session(base, modules, slots)
        step, ways, notes = session.step()
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


class _Session:
    """Traces one environment, again and again."""

    def __init__(self, base: Any, modules: list[Any], slots: Sequence[Slot]) -> None:
        self.base, self.modules, self.slots = base, modules, slots
        self.data = locate(base)[1]

    @contextlib.contextmanager
    def tracer(self) -> Iterator[Tracer]:
        """Let numpy, math and MuJoCo be traced in the environment's modules."""
        tracer = Tracer(GraphBuilder())
        table, names = substitutes(tracer)
        table |= mujoco_functions(tracer)[0]
        with replaced(self.modules, table, names):
            yield tracer

    def step(self) -> tuple[Graph, int, list[str]]:
        """Trace a step."""
        space = self.base.action_space
        example = np.zeros(space.shape, space.dtype)
        example += np.clip(0.1, space.low, space.high).astype(space.dtype)
        with self.tracer() as tracer:

            def run() -> tuple[Outputs, int]:
                physics = Physics(tracer, self.data)
                with substituted(self.base, tracer, physics, self.data, self.slots) as memory:
                    action = Traced(tracer.input("action", example))
                    observation, reward, terminated, truncated, info = _guarded(
                        lambda: self.base.step(action)
                    )
                    outputs = {
                        "observation": flat(tracer, self.base.observation_space, observation),
                        "reward": _number(tracer, reward),
                        "terminated": _logical(tracer, terminated),
                        "truncated": _logical(tracer, truncated),
                        **_infos(tracer, info),
                    }
                    for name, node in remembered(self.base, tracer, memory).items():
                        outputs[f"memory.{name}"] = node
                if physics.control is None:
                    raise UntraceableRulesError(
                        f"Got a step of {self.base} that calls no physics, expected one that "
                        "calls mujoco.mj_step."
                    )
                outputs["ctrl"] = physics.control
                return outputs, physics.calls

            ways = explored(tracer.oracle, run)
            calls = {way.outputs[1] for way in ways if way.outputs}
            if len(calls) > 1:
                raise UntraceableRulesError(
                    f"Got a step that calls physics {sorted(calls)} times, depending on the state, "
                    "expected as many calls in every step."
                )
            for way in ways:
                way.outputs = way.outputs and way.outputs[0]
            notes = _notes(ways)
            outputs = merged(tracer.builder, ways, _choose(tracer.builder, ways, notes))
            graph = _renamed(tracer.builder.graph(outputs), calls.pop())
        _check_middle(graph)
        return graph, sum(way.error is None for way in ways), notes

    def start(self, step: Graph) -> Graph | None:
        """Trace what a reset returns."""
        if not hasattr(self.base, "_get_obs"):
            return None
        with self.tracer() as tracer:

            def run() -> Outputs:
                physics = Physics(tracer, self.data, "after")
                with substituted(self.base, tracer, physics, self.data, self.slots):
                    seen = _guarded(self.base._get_obs)
                    info = _guarded(getattr(self.base, "_get_reset_info", dict))
                    node = flat(tracer, self.base.observation_space, seen)
                    return {"observation": node, **_infos(tracer, info)}

            try:
                ways = explored(tracer.oracle, run)
            except UntraceableRulesError:
                return None
            outputs = merged(tracer.builder, ways, _choose(tracer.builder, ways, []))
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


def _number(tracer: Tracer, value: Any) -> int:
    return tracer.builder.view(tracer.number(tracer.lift(value)), ())


def _logical(tracer: Tracer, value: Any) -> int:
    return tracer.builder.view(tracer.logical(tracer.lift(value)), ())


def _infos(tracer: Tracer, info: Mapping[str, Any], prefix: str = "info") -> Outputs:
    """Return the infos that are numbers."""
    found: Outputs = {}
    for key, value in info.items():
        if isinstance(value, Mapping):
            found |= _infos(tracer, value, f"{prefix}.{key}")
            continue
        try:
            lifted = tracer.lift(value)
        except (UntraceableRulesError, ValueError, TypeError):
            continue
        found[f"{prefix}.{key}"] = tracer.number(lifted)
    return found


def _choose(builder: GraphBuilder, ways: Sequence[Any], notes: list[str]) -> Any:
    def choose(condition: int, yes: Outputs, no: Outputs) -> Outputs:
        found = {}
        for name in yes | no:
            if name.startswith("memory.") and not (name in yes and name in no):
                slot = builder.input(name, builder[(yes | no)[name]].shape)
                sides = yes.get(name, slot), no.get(name, slot)
            elif name in yes and name in no:
                sides = yes[name], no[name]
            else:
                notes.append(f"{name} is not in the infos of every step, and is left out.")
                continue
            if builder[sides[0]].shape != builder[sides[1]].shape:
                shapes = [builder[side].shape for side in sides]
                raise UntraceableRulesError(
                    f"Got {name} of shapes {shapes}, depending on the state, expected one shape."
                )
            found[name] = builder.where(condition, *sides)
        return found

    return choose


def _notes(ways: Sequence[Any]) -> list[str]:
    errors = {f"{type(way.error).__name__}: {way.error}" for way in ways if way.error}
    return [f"A step that raises {error} is taken not to happen." for error in sorted(errors)]


def _renamed(graph: Graph, calls: int) -> Graph:
    """Name inputs by what they are: those after the last call of physics, and in the middle."""

    def named(name: str) -> str:
        stage, _, rest = name.partition(".")
        if not stage.isdigit():
            return name
        return f"after.{rest}" if int(stage) == calls else f"middle.{stage}.{rest}"

    builder = GraphBuilder()
    places: list[int] = []
    for node in graph.nodes:
        args = [places[arg] for arg in node.args]
        data = named(str(node.data)) if node.op == "input" else node.data
        made = (
            builder.input(str(data), node.shape)
            if node.op == "input"
            else builder.make(node.op, *args, data=data, shape=node.shape)
        )
        places.append(made)
    return builder.graph({name: places[node] for name, node in graph.outputs.items()})


def _check_middle(graph: Graph) -> None:
    """Refuse rules that need what physics was between two of its calls."""
    middle = [name for name in graph.inputs if name.startswith("middle.")]
    if not middle:
        return
    depends: list[set[str]] = []
    for node in graph.nodes:
        own = {str(node.data)} if node.op == "input" else set()
        depends.append(own.union(*(depends[arg] for arg in node.args)))
    for name, place in graph.outputs.items():
        used = sorted(set(middle) & depends[place])
        if used and name != "ctrl":
            raise UntraceableRulesError(
                f"Got {name} that depends on {used[0]}, which is between two calls of physics in a "
                "step, expected what is before the first or after the last."
            )
