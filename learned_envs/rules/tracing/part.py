"""Methods whose ways are put together where they return: the ways of a step do not multiply.

A step that calls five methods of two ways each can go 32 ways, of which each method has but two.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from learned_envs.rules.tracing.cut import Method, replaced_method
from learned_envs.rules.tracing.memory import Memory, fingerprint
from learned_envs.rules.tracing.modules import library
from learned_envs.rules.tracing.oracle import apart, merged
from learned_envs.rules.tracing.physics import Physics
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.walk import owners, read

Place = tuple[str, str]
"""Path of an object, and the name of its method."""

NEVER = {"step", "reset", "reset_model", "render", "close"}


class NotApartError(Exception):
    """A method does more than it returns, or returns what cannot be put together."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.place = place


def methods_of(base: Any) -> list[Place]:
    """Return the methods and properties that may be traced by themselves.

    They are those of the environment and of what it keeps, where no library wrote them.
    """
    found = []
    for path, owner in owners(base):
        for kind in type(owner).__mro__:
            if library(kind.__module__) or kind.__module__.startswith("gymnasium"):
                continue
            found += [
                (path, name)
                for name, value in vars(kind).items()
                if isinstance(value, FunctionType | property) and not name.startswith("__")
            ]
    return sorted({place for place in found if place[1] not in NEVER})


@contextlib.contextmanager
def put_together(
    base: Any, places: Sequence[Place], tracer: Tracer, physics: Physics, memory: Memory
) -> Iterator[None]:
    """Let methods of an environment return all of their ways at once, until the block ends."""

    def wrap(place: Place) -> Callable[[Method], Method]:
        def wrapped(original: Method) -> Method:
            def method(*args: Any, **options: Any) -> Any:
                def now() -> Any:
                    given = [list(args[1:]), options]
                    return memory.now(), physics.now(), fingerprint(given)

                before = now()

                def run() -> Any:
                    result = original(*args, **options)
                    if now() != before:
                        raise NotApartError(place)
                    return result

                ways = apart(tracer.oracle, run)
                return merged(tracer.builder, ways, lambda *three: _chosen(tracer, place, *three))

            return method

        return wrapped

    with contextlib.ExitStack() as stack:
        for place in places:
            path, name = place
            owner = read(base, path) if path else base
            stack.enter_context(replaced_method(owner, name, wrap(place)))
        yield


def _chosen(tracer: Tracer, place: Place, condition: int, yes: Any, no: Any) -> Any:
    """Return one of two results, by a condition."""
    if isinstance(yes, dict) and isinstance(no, dict) and yes.keys() == no.keys():
        return {key: _chosen(tracer, place, condition, yes[key], no[key]) for key in yes}
    if isinstance(yes, list | tuple) and type(yes) is type(no) and len(yes) == len(no):
        parts = [_chosen(tracer, place, condition, *pair) for pair in zip(yes, no, strict=True)]
        return type(yes)(*parts) if hasattr(yes, "_fields") else type(yes)(parts)
    numbers = (Traced, bool, int, float, np.ndarray, np.generic)
    if not isinstance(yes, numbers) or not isinstance(no, numbers):
        if yes is no or (isinstance(yes, str) and yes == no):
            return yes
        raise NotApartError(place)
    if np.shape(yes) != np.shape(no):
        raise NotApartError(place)
    if isinstance(yes, bool) and isinstance(no, bool):
        node = tracer.builder.where(condition, tracer.logical(yes), tracer.logical(no))
        # Python's truth values are added as numbers, numpy's are not.
        result = tracer.made(tracer.builder.cast(node, "float"), np.int64(yes))
        result.storage.largest = 1
        return result
    first, second = tracer.lift(yes), tracer.lift(no)
    example = np.where(True, first.example, second.example)
    node = tracer.builder.where(condition, first.node, second.node)
    return tracer.made(node, example if first.shape else example[()])
