"""Hold a real environment that is recorded against another that its id makes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self

import gymnasium as gym
import numpy as np

from learned_envs.collect.tap import wrappers_of
from learned_envs.entry_point import load
from learned_envs.errors import ParameterError, SystemSpecError
from learned_envs.registry import task_entry
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.constants import constants_of, different
from learned_envs.systems.locate import locate, simulates
from learned_envs.systems.moment import Moment, Subject
from learned_envs.systems.probe import probe
from learned_envs.systems.questions import SAME
from learned_envs.systems.reference import deprecations_swallowed, make_reference
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import DISCOVERED

RESETS = 3
"""Resets that are asked for constants that they draw."""

EVERY = 50
"""One step in so many is taken again, the first among them."""


class Original:
    """What an environment's id makes, whose steps those of the environment must equal."""

    def __init__(self, made: Subject, recipe: _Recipe) -> None:
        self._made, self._recipe = made, recipe
        self._steps = 0
        self._moment: Moment | None = None

    @classmethod
    def of(cls, env: gym.Env[Any, Any], spec: SystemSpec) -> Self:
        """Make the original of an environment, once in a process, and ask whether `spec` holds.

        Raises:
            SystemSpecError: if it does not, or the environment has other constants.
        """
        real, registered = Adapter(env), env.unwrapped.spec
        if registered is None:
            raise ParameterError(
                f"Got {env.unwrapped}, expected an environment made by gym.make. Make it by its id."
            )
        recipe = _Recipe(registered)
        if changed := _changed(recipe, real):
            raise SystemSpecError(
                f"{real.name} was changed after it was made: its model has another "
                f"{', '.join(changed)}. Register an environment that makes the change itself, "
                "with a task of its own."
            )
        return cls(_asked(recipe, spec), recipe)

    def moves(self, env: gym.Env[Any, Any]) -> None:
        """Remember where a step begins, if it is one to take again."""
        if self._steps % EVERY == 0:
            self._moment = Subject(env, self._made.spec).now()
        self._steps += 1

    def moved(self, env: gym.Env[Any, Any], action: np.ndarray[Any, Any]) -> None:
        """Take a step again that an environment has taken.

        Raises:
            SystemSpecError: if it does not end where it did.
        """
        moment, self._moment = self._moment, None
        if moment is None:
            return
        spec = self._made.spec
        real = Subject(env, spec)
        self._made.again(moment, action)
        made = self._made.outcome(moment.q)
        error = np.abs(real.outcome(moment.q) - made).max(initial=0.0)
        if not error <= SAME * (np.abs(made).max(initial=0.0) + 1e-3):
            changed = _changed(self._recipe, real)
            wrappers = wrappers_of(env)
            raise SystemSpecError(
                f"{real.name} was moved by more than the action: a step ends {error:.2g} away "
                "from where the same step ends in an environment that was just made"
                + (f"; its model has another {', '.join(changed)}" if changed else "")
                + (f"; its wrappers are {', '.join(wrappers)}" if wrappers else "")
                + ". Record the environment as its id makes it."
            )


def draws_constants(env: gym.Env[Any, Any]) -> list[str]:
    """Return the names of the constants of MuJoCo that resets of an environment draw, or set."""
    registered = env.unwrapped.spec
    assert registered is not None, "an environment is made by its id"
    return sorted(_drawn(_Recipe(registered)))


class _Recipe:
    """What an environment is made from; recipes of equal names and arguments are one."""

    def __init__(self, spec: gym.envs.registration.EnvSpec) -> None:
        self.spec = spec
        self.key = repr((spec.id, spec.entry_point, sorted(spec.kwargs.items(), key=str)))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Recipe) and self.key == other.key


def reference(task: str, parameters: Mapping[str, Any], spec: SystemSpec) -> Subject:
    """Make the real environment of a task, once in a process, and ask whether its spec holds.

    Args:
        task: name of the task.
        parameters: that the environment is made with beside the task's own.
        spec: what was found out of its system, if the task has no spec of its own.

    Raises:
        UnknownNameError: if there is no such task.
        SystemSpecError: if its spec does not hold.
        gymnasium.error.Error: if it is no MuJoCo environment. Whatever making it raises too.
    """
    entry = task_entry(task)
    registered = copy.copy(gym.spec(entry.reference_id.rpartition(":")[2]))
    registered.kwargs = {**registered.kwargs, **entry.kwargs, **parameters}
    return _reference(_Recipe(registered), task, spec if entry.spec == DISCOVERED else None)


@lru_cache(maxsize=8)
def _reference(recipe: _Recipe, task: str, found: SystemSpec | None) -> Subject:
    env, entry = make_reference(task, **recipe.spec.kwargs), task_entry(task)
    if not simulates(env):
        raise gym.error.Error("it is no MuJoCo environment")
    spec: SystemSpec = load(entry.spec)(entry) if found is None else found
    probe(env, spec, strict=found is None)
    return Subject(env, spec)


@lru_cache(maxsize=8)
def _made(recipe: _Recipe) -> gym.Env[Any, Any]:
    # Nobody looks at it.
    unseen = {"render_mode": None} if "render_mode" in recipe.spec.kwargs else {}
    with deprecations_swallowed():
        return gym.make(recipe.spec, disable_env_checker=True, **unseen)


def _changed(recipe: _Recipe, real: Adapter) -> list[str]:
    """Return the names of the constants that were changed in an environment after it was made."""
    drawn, made = _drawn(recipe), locate(_made(recipe))[0]
    return [x for x in different(constants_of(made), constants_of(real.model)) if x not in drawn]


@lru_cache(maxsize=8)
def _drawn(recipe: _Recipe) -> frozenset[str]:
    """Return the names of the constants that resets draw, or set."""
    real = Adapter(_made(recipe))
    found = [constants_of(real.model)]
    for seed in range(RESETS):
        real.reset(seed=seed)
        found.append(constants_of(real.model))
    return frozenset(name for one in found[1:] for name in different(found[0], one))


@lru_cache(maxsize=8)
def _asked(recipe: _Recipe, spec: SystemSpec) -> Subject:
    # What matters to the task alone, its own recordings are asked when they are stored.
    probe(_made(recipe), spec, strict=False)
    return Subject(_made(recipe), spec)
