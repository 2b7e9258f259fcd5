"""Ask a real system whether what its spec says holds, before anything is recorded of it.

A model sees q, v, the leaves of the spec and the action, and hides what the spec calls cyclic. So
the real environment's steps are taken again from these alone, and from where they should not
differ. MuJoCo gives the same numbers again: on Gymnasium's environments and our own the largest
difference is 3e-12 of the spread of a step's change. What differs by more has a reason.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium as gym

from learned_envs.entry_point import load
from learned_envs.errors import SystemSpecError
from learned_envs.registry import task_entry, task_of
from learned_envs.systems.claims import broken_claims
from learned_envs.systems.constants import constants_of, different
from learned_envs.systems.moment import Subject
from learned_envs.systems.questions import Questions
from learned_envs.systems.reference import make_reference, warnings_swallowed
from learned_envs.systems.spec import SystemSpec

RUNS = (30, 30, 30, 90)
"""Steps of each run that is taken of the environment at first. Every other run starts elsewhere
than the environment does."""


def probed_spec(task: str) -> SystemSpec:
    """Return the spec of a task's system, after the real one was asked whether it holds.

    Raises:
        UnknownNameError: if there is no such task.
        SystemSpecError: if it does not hold.
    """
    entry = task_entry(task_of(task))
    spec: SystemSpec = load(entry.spec)(entry)
    with closing(make_reference(task)) as env:
        probe(env, spec)
    return spec


def probe(env: gym.Env[Any, Any], spec: SystemSpec, seed: int = 0, *, strict: bool = True) -> None:
    """Check that a real environment is what its spec says; it takes about 0.1 s.

    Args:
        env: a MuJoCo environment as it was made, with its wrappers. It is stepped and reset.
        spec: what is claimed of it.
        seed: decides what is tried.
        strict: whether it is of a task that is written by hand: resets are centred at its reference
            position, resets draw no constants of the model, and all contacts are between shapes
            that models see.

    Raises:
        SystemSpecError: if it is not; the message names each trait, its size and what to do.
    """
    if found := traits(env, spec, seed, strict=strict):
        listed = "".join(f"\n- {trait}" for trait in found)
        raise SystemSpecError(
            f"{spec.reference_id} is not what its spec says, so no model of it would be right:"
            f"{listed}"
        )


def traits(
    env: gym.Env[Any, Any], spec: SystemSpec, seed: int = 0, *, strict: bool = True
) -> list[str]:
    """Return what of a real environment is not as its spec says, a sentence or two for each trait.

    See [`probe`][learned_envs.systems.probe.probe].
    """
    if found := list(broken_claims(env, spec, strict=strict)):
        return found
    subject = Subject(env, spec)
    before = constants_of(subject.model)
    with warnings_swallowed("unstable"):
        steps = subject.explore(RUNS, seed)
    if len(steps) < RUNS[0]:
        return [
            f"The simulation blows up after {len(steps)} of {sum(RUNS)} steps of random actions. "
            "Make its timestep smaller, or its forces."
        ]
    if strict and (changed := different(before, constants_of(subject.model), spec.leaves)):
        return [
            f"The environment changes constants of its model while it runs: {', '.join(changed)}. "
            "Models take them for constant: keep them as they are."
        ]
    asked = Questions(subject, steps, seed)
    with warnings_swallowed("unstable"):
        found = [*asked.clock(), *asked.state(), *asked.symmetries()]
        return [*found, *asked.contacts()] if strict else found
