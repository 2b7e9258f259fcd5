"""Runs an environment's code on traced arrays: as often as it can go other ways."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.contact import Pair, over_contacts
from learned_envs.rules.tracing.cut import Cut, Method, replaced_method
from learned_envs.rules.tracing.environment import substituted
from learned_envs.rules.tracing.memory import Memory
from learned_envs.rules.tracing.modules import replaced
from learned_envs.rules.tracing.mujoco_function import mujoco_functions
from learned_envs.rules.tracing.oracle import RaisedError, explored, merged
from learned_envs.rules.tracing.output import Outputs, choose, flat, infos, logical, number
from learned_envs.rules.tracing.part import NotApartError, Place, put_together
from learned_envs.rules.tracing.physics import Physics, PhysicsReached
from learned_envs.rules.tracing.refusal import RAISED, refusal, where
from learned_envs.rules.tracing.scipy_rotation import rotation_substitutes
from learned_envs.rules.tracing.substitute import constants, substitutes
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot
from learned_envs.systems.walk import read


@dataclass
class Seen:
    """What was seen while code was run in all its ways.

    Attributes:
        calls: how often physics was called.
        stages: of which contacts were asked for.
        notes: what was taken for granted.
        ways: in which the code went.
        changed: what the environment keeps, and the code changed, without a slot.
    """

    calls: set[int] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    ways: int = 0
    changed: dict[str, Slot] = field(default_factory=dict)


class Session:
    """Traces one environment.

    Args:
        base: the environment, without wrappers.
        modules: whose numpy, math and MuJoCo are replaced.
        slots: of its memory.
        touching: pairs of geoms that may touch; all that MuJoCo tests, if None.
    """

    def __init__(
        self,
        base: Any,
        modules: list[Any],
        slots: Sequence[Slot] = (),
        touching: Sequence[Pair] | None = None,
    ) -> None:
        self.base, self.modules, self.slots, self.touching = base, modules, slots, touching
        self.data = locate(base)[1]
        self.cuts: list[Cut] = []
        self.apart: list[Place] = []
        self._table: dict[int, Any] = {}

    def step(self) -> tuple[Graph, Seen]:
        """Trace a step: all that it returns, and all that it leaves behind."""

        def run(tracer: Tracer, physics: Physics, memory: Memory) -> Outputs:
            observation, reward, terminated, truncated, info = guarded(
                lambda: self.base.step(self._action(tracer))
            )
            outputs = {
                "observation": flat(tracer, self.base.observation_space, observation),
                "reward": number(tracer, reward),
                "terminated": logical(tracer, terminated),
                "truncated": logical(tracer, truncated),
                **infos(tracer, info),
            }
            outputs |= memory.outputs()
            return outputs | physics.given | physics.left(self.slots)

        return self._over_all(run, "before")

    def control(self) -> tuple[Graph, Seen]:
        """Trace a step up to its first call of physics: what it hands over."""

        def run(tracer: Tracer, physics: Physics, memory: Memory) -> Outputs:
            physics.ends = True
            with contextlib.suppress(PhysicsReached):
                guarded(lambda: self.base.step(self._action(tracer)))
            return physics.given

        return self._over_all(run, "before")

    def shown(self) -> tuple[Graph, Seen]:
        """Trace what the environment shows of a state by `_get_obs`, and tells at a reset."""

        def run(tracer: Tracer, physics: Physics, memory: Memory) -> Outputs:
            seen = guarded(self.base._get_obs)
            info = guarded(getattr(self.base, "_get_reset_info", dict))
            return {
                "observation": flat(tracer, self.base.observation_space, seen),
                **infos(tracer, info),
            }

        return self._over_all(run, "after")

    def _over_all(
        self, run: Callable[[Tracer, Physics, Memory], Outputs], stage: str
    ) -> tuple[Graph, Seen]:
        """Run code in all its ways, with all contacts that matter."""
        seen = Seen()
        with self._tracer() as tracer:
            decide = choose(tracer.builder, seen.notes)

            def outcome(contacts: Sequence[Pair]) -> Outputs:
                def once() -> Outputs:
                    RAISED.clear()
                    physics = Physics(tracer, self.data, contacts, stage, self.slots)
                    with self._substituted(tracer, physics) as memory:
                        outputs = run(tracer, physics, memory)
                        seen.changed |= memory.changed()
                    if RAISED:
                        raise RAISED[0]
                    seen.calls.add(physics.calls)
                    seen.stages |= physics.asked
                    return outputs

                ways = explored(tracer.oracle, once)
                seen.ways += sum(way.error is None for way in ways)
                raised = {f"{type(way.error).__name__}: {way.error}" for way in ways if way.error}
                seen.notes += [
                    f"A step that raises {error} is taken not to happen."
                    for error in sorted(raised)
                ]
                return merged(tracer.builder, ways, decide) or {}

            outputs = outcome([])
            if len(seen.stages) > 1:
                raise UntraceableRulesError(
                    "Got a step that asks for contacts after several calls of physics, expected it "
                    "to ask after the last."
                )
            for prefix in seen.stages:
                outputs = over_contacts(
                    tracer.builder, self.data.model, prefix, outcome, decide, self.touching
                )
            seen.notes = list(dict.fromkeys(seen.notes))
            return tracer.builder.graph(outputs), seen

    @contextlib.contextmanager
    def _tracer(self) -> Iterator[Tracer]:
        """Let numpy, math and MuJoCo be traced in the environment's modules."""
        tracer = Tracer(GraphBuilder())
        self._table, names = substitutes(tracer)
        self._table |= mujoco_functions(tracer) | rotation_substitutes(tracer)
        with replaced(self.modules, self._table, names, constants(tracer)):
            yield tracer

    @contextlib.contextmanager
    def _substituted(self, tracer: Tracer, physics: Physics) -> Iterator[Memory]:
        """Let the environment's objects be traced, and methods that are cut be inputs."""

        def stand(cut: Cut) -> Callable[[Method], Method]:
            calls: list[Any] = []

            def method(*_: Any, **__: Any) -> Traced:
                if physics.stage == "before" or calls:
                    raise refusal(
                        f"{cut.name}() before physics, or twice", "call it once behind it"
                    )
                calls.append(cut)
                storage = tracer.input(f"{physics.stage}.call.{cut.name}", cut.example)
                return tracer.copied(Traced(storage), scalar=not cut.example.shape)

            return lambda _: method

        with contextlib.ExitStack() as stack:
            for cut in self.cuts:
                owner = read(self.base, cut.path) if cut.path else self.base
                stack.enter_context(replaced_method(owner, cut.attribute, stand(cut)))
            memory = stack.enter_context(
                substituted(self.base, tracer, physics, self.slots, self._table)
            )
            stack.enter_context(put_together(self.base, self.apart, tracer, physics, memory))
            yield memory

    def _action(self, tracer: Tracer) -> Traced:
        space = self.base.action_space
        example = np.clip(np.full(space.shape, 0.1), space.low, space.high).astype(space.dtype)
        return Traced(tracer.input("action", example))


def real_step(base: Any) -> Any:
    """Take a step with an action between an environment's bounds."""
    space = base.action_space
    low, high = np.maximum(space.low, -1e3), np.minimum(space.high, 1e3)
    return base.step((0.6 * low + 0.4 * high).astype(space.dtype))


def guarded(run: Callable[[], Any]) -> Any:
    """Run code of the environment; what it raises itself is `RaisedError`."""
    try:
        return run()
    except (UntraceableRulesError, NotApartError, RaisedError):
        raise
    except Exception as error:
        # numpy says in its own words what was refused where it asked for a number.
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UntraceableRulesError):
                raise cause.with_traceback(error.__traceback__) from None
            cause = cause.__cause__ or cause.__context__
        last = traceback.extract_tb(error.__traceback__)[-1]
        own = "learned_envs" not in last.filename
        if own and (last.line or "").startswith(("raise", "assert")):
            raise RaisedError from error
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        place, line = where(frames[-1])
        raise UntraceableRulesError(
            f"{place}, `{line}`: got {type(error).__name__}: {error} while it was traced. To "
            "have it traced, write the line with numpy's functions on arrays of fixed shape.",
            place,
        ).with_traceback(error.__traceback__) from error
