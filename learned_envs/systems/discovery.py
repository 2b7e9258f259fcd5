"""Find out what the state of a real environment is, and what a model of it may leave out.

A task that is written by hand knows what belongs to its state. Of any other environment it is found
by acting in it: what its MuJoCo and its Python keep beside q and v becomes leaves, and what the
geometry says does not matter is believed only where steps confirm it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import msgspec
import numpy as np

from learned_envs.errors import SystemSpecError
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.changes import Found, find
from learned_envs.systems.claims import hidden_state, other_actions
from learned_envs.systems.constants import constants_of, different
from learned_envs.systems.flat import expect_numbers
from learned_envs.systems.moment import Step, Subject
from learned_envs.systems.questions import Questions
from learned_envs.systems.reference import describe, warnings_swallowed
from learned_envs.systems.shapes import tree_of, unseen_contacts
from learned_envs.systems.spec import Leaf, SystemSpec

RUNS = (30, 30, 30, 90, 30, 30)
"""Steps of each run. Every other run starts elsewhere than the environment does."""

WATCHED = 8
"""Episodes, and steps of each, in which what never moves is looked for."""

PHYSICAL = ("model.body_", "model.geom_", "model.opt.", "mocap_")
"""How names of leaves begin that motion depends on, be it in states that random actions miss."""

TIME = "time"
"""What MuJoCo's data calls it."""

NAMED = 3
"""Things that change and cannot be a leaf, of which a message names so many."""


@dataclass(frozen=True)
class Probed:
    """What acting in a real environment told of it.

    Attributes:
        spec: the system, with the leaves of its state.
        notes: what a model of it will not see, a sentence each.
        frozen: indices of v that stay zero where q holds a constant of the episode, such as a goal.
        unheld: what the environment keeps that cannot be part of a state, by its path, with the
            reason. Motion does not depend on it; its rules may.
    """

    spec: SystemSpec
    notes: tuple[str, ...] = ()
    frozen: tuple[int, ...] = ()
    unheld: Mapping[str, str] = field(default_factory=dict)


def discover(env: gym.Env[Any, Any], seed: int = 0) -> Probed:
    """Find the state of a real environment, by acting in it for a few seconds.

    Args:
        env: as it was made, with its wrappers. It is stepped and reset.
        seed: decides what is tried.

    Raises:
        ParameterError: if it has no id, or no MuJoCo.
        SystemSpecError: if no spec can describe it, its code fails, or its motion depends on
            something that is no leaf. The message names it and says what to do.
    """
    real = Adapter(env)
    if other := "".join(other_actions(env)):
        raise SystemSpecError(f"{real.name}: {other}")
    expect_numbers(real.base.observation_space, f"observation_space of {real.name}")
    # Constants that resets draw are in the spec as this seed draws them.
    real.reset(seed=0)
    spec = describe(env)
    with warnings_swallowed("unstable"):
        found = find(env, seed=seed)
        spec = replace(spec, leaves=tuple(slot.leaf for slot in found.slots))
        spec, steps = _explored(env, spec, found, seed)
        asked = Questions(Subject(env, spec), steps, seed)
        if (timed := asked.timed()) and TIME not in {leaf.name for leaf in spec.leaves}:
            spec = replace(spec, leaves=(*spec.leaves, Leaf(TIME, 1, ())))
            steps = Subject(env, spec).explore(RUNS, seed)
            asked = Questions(Subject(env, spec), steps, seed)
        _expect_markov(asked, found, spec)
        needed = {leaf.name for leaf in spec.leaves if leaf.name.startswith(PHYSICAL)}
        needed |= {TIME} if timed else set()
        leaves = [
            msgspec.structs.replace(leaf, seen=leaf.name in needed or asked.seen(leaf))
            for leaf in spec.leaves
        ]
        spec = _confirmed(asked, spec)
    spec = replace(spec, leaves=tuple(leaves))
    return Probed(spec, tuple(_notes(real, spec, steps)), _frozen(real, spec), found.unheld)


def _explored(
    env: gym.Env[Any, Any], spec: SystemSpec, found: Found, seed: int
) -> tuple[SystemSpec, list[Step]]:
    """Take steps, and see how long one takes."""
    name, subject = spec.reference_id, Subject(env, spec)
    if hidden := list(hidden_state(subject)):
        raise SystemSpecError(f"{name}: {' '.join(hidden)} Leave that out of the MJCF.")
    before = constants_of(subject.model)
    steps = subject.explore(RUNS, seed)
    if len(steps) < RUNS[0]:
        raise SystemSpecError(
            f"The simulation of {name} blows up after {len(steps)} of {sum(RUNS)} steps of random "
            "actions. Make its timestep smaller, or its forces."
        )
    if changed := different(before, constants_of(subject.model), spec.leaves):
        raise SystemSpecError(
            f"{name} changes constants of its model now and then: {', '.join(changed)}. Change "
            "them at every reset, so that they are seen to, or keep them as they are."
        )
    times = {round(step.time / spec.timestep, 3) for step in steps}
    if len(times) > 1 or (took := times.pop()) < 1 or took != int(took):
        raise SystemSpecError(
            f"A step of {name} takes now more and now fewer solver steps. Let every step of the "
            "environment take as many."
        )
    return replace(spec, frame_skip=int(took)), steps


def _expect_markov(asked: Questions, found: Found, spec: SystemSpec) -> None:
    said = list(asked.state())
    if not said:
        return
    unheld = _told(found.unheld)
    raise SystemSpecError(
        f"The motion of {spec.reference_id} does not follow from its state, which is q, v and "
        f"{', '.join(leaf.name for leaf in spec.leaves) or 'no leaf'}. {' '.join(said)}{unheld}"
    )


def _told(unheld: Mapping[str, str]) -> str:
    """Name what changes in the environment and cannot be a leaf."""
    named = [f"{path} {why}" for path, why in [*unheld.items()][:NAMED]]
    if not named:
        return ""
    more = f", and {len(unheld) - NAMED} more like these" if len(unheld) > NAMED else ""
    return (
        f" It keeps what cannot be part of a state: {'; '.join(named)}{more}. Let reset put "
        "numbers there, as many as later."
    )


def _confirmed(asked: Questions, spec: SystemSpec) -> SystemSpec:
    """Mark joints as held where the motion is not the same although the geometry says so."""
    wrong = {place for _, places in asked.not_the_same() for place in places}
    if asked.headed():
        wrong.update(asked.headings)
    joints = tuple(
        replace(joint, held=joint.held or any(_has(joint, place) for place in wrong))
        for joint in spec.joints
    )
    return replace(spec, joints=joints)


def _has(joint: Any, place: int) -> bool:
    return bool(joint.q <= place < joint.q + (7 if joint.kind == "free" else 1))


def _notes(real: Adapter, spec: SystemSpec, steps: Sequence[Step]) -> list[str]:
    pairs = (pair for step in steps for pair in step.contacts)
    unseen = unseen_contacts(real.model, spec, pairs)
    if not unseen:
        return []
    return [
        f"{unseen} are shown by no feature. Models see where spheres, capsules, cylinders, boxes, "
        "ellipsoids and meshes touch one another and planes of the world, and have to learn other "
        "contacts from q alone."
    ]


def _frozen(real: Adapter, spec: SystemSpec) -> tuple[int, ...]:
    """Find the slides and hinges that never move and collide with nothing: goals stand in q so."""
    model, rng = real.model, np.random.default_rng(0)
    met = (model.geom_contype | model.geom_conaffinity) != 0
    trees = {tree_of(model, int(geom)) for geom in np.flatnonzero(met)}
    still = {
        joint.q: joint.v
        for joint in spec.joints
        if joint.kind != "free" and int(model.body_rootid[joint.body]) not in trees
    }
    for run in range(WATCHED):
        real.reset(seed=run)
        start = real.data.qpos.copy()
        for _ in range(WATCHED):
            action = rng.uniform(spec.control_low, spec.control_high).astype(np.float32)
            _, _, terminated, truncated, _ = real.step(action)
            q, v = real.data.qpos, real.data.qvel
            still = {i: j for i, j in still.items() if q[i] == start[i] and v[j] == 0}
            if terminated or truncated:
                break
    return tuple(still.values())
