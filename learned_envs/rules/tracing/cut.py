"""Methods of an environment that cannot be traced, and are numbers that are recorded instead."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.rules.tracing.storage import Array
from learned_envs.systems.walk import owners, read

MOST_NUMBERS = 64
"""That a method may return, to be learned as a sensor."""

Method = Callable[..., Any]


@dataclass(frozen=True)
class Cut:
    """A method or a property that is called once in a step, behind physics.

    Attributes:
        path: of the object that has it, seen from the environment; "" for itself.
        attribute: its name.
        example: what it returned at a real step.
    """

    path: str
    attribute: str
    example: Array

    @property
    def name(self) -> str:
        """The name as one would write it: `task.contact_cost`."""
        return f"{self.path}.{self.attribute}" if self.path else self.attribute


def cut_at(error: BaseException, base: Any, step: Method) -> Cut | None:
    """Return the innermost method that can be cut, of those that ran when an error was raised.

    Args:
        error: that was raised.
        base: the environment.
        step: takes one real step.
    """
    paths = {id(owner): path for path, owner in owners(base)}
    found = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        names = frame.f_code.co_varnames[:1]
        owner = frame.f_locals.get(names[0]) if names else None
        attribute = frame.f_code.co_name
        if id(owner) in paths and attribute.isidentifier() and hasattr(type(owner), attribute):
            found.append((paths[id(owner)], attribute))
    inside_step = found[1:] if found and found[0][1] == "step" else []
    for path, attribute in reversed(inside_step):
        with returned(base, [(path, attribute)]) as values:
            step()
        results = next(iter(values.values()))
        if len(results) == 1 and (example := _numbers(results[0])) is not None:
            return Cut(path, attribute, example)
    return None


@contextlib.contextmanager
def returned(base: Any, methods: list[tuple[str, str]]) -> Iterator[Mapping[str, list[Any]]]:
    """Write down what methods return, by their names, until the block ends."""
    values: dict[str, list[Any]] = {}

    def written(name: str) -> Callable[[Method], Method]:
        def wrap(original: Method) -> Method:
            def method(*args: Any, **options: Any) -> Any:
                result = original(*args, **options)
                values[name].append(result)
                return result

            return method

        return wrap

    with contextlib.ExitStack() as stack:
        for path, attribute in methods:
            name = Cut(path, attribute, np.zeros(())).name
            values[name] = []
            owner = read(base, path) if path else base
            stack.enter_context(replaced_method(owner, attribute, written(name)))
        yield values


@contextlib.contextmanager
def recorded_calls(
    env: gym.Env[Any, Any], names: list[str]
) -> Iterator[Callable[[], dict[str, Array]]]:
    """Give what tells, after a real step, what cut methods returned in it.

    Args:
        env: wrapped or not.
        names: of the methods: the inputs behind `after.call.`.
    """
    methods = [(name.rpartition(".")[0], name.rpartition(".")[2]) for name in names]
    with returned(env.unwrapped, methods) as values:

        def last() -> dict[str, Array]:
            found = {name: np.asarray(results[-1], float) for name, results in values.items()}
            for results in values.values():
                results.clear()
            return found

        yield last


@contextlib.contextmanager
def replaced_method(owner: Any, attribute: str, wrap: Callable[[Method], Method]) -> Iterator[None]:
    """Replace a method or a property of one object, until the block ends."""
    kind = next(kind for kind in type(owner).__mro__ if attribute in vars(kind))
    original = vars(kind)[attribute]
    is_property = isinstance(original, property)
    plain = original.fget if is_property else getattr(original, "__func__", original)
    wrapped = wrap(plain)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return (wrapped if self is owner else plain)(self, *args, **options)

    setattr(kind, attribute, property(method) if is_property else method)
    try:
        yield
    finally:
        setattr(kind, attribute, original)


def _numbers(value: Any) -> Array | None:
    """Return a number or a small array; None if it is neither."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "bif" and 0 < array.size <= MOST_NUMBERS else None
