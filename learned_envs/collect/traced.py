"""The rules of a real environment: traced from its code, held against it, ready for a card."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import msgspec
import numpy as np

from learned_envs.card_entries import Entries, Reference
from learned_envs.collect.compared import compared
from learned_envs.collect.derivation import derivation_notes
from learned_envs.collect.learned import completed
from learned_envs.collect.starts import record_starts, tellable, told_at_reset
from learned_envs.errors import UntraceableRulesError
from learned_envs.kinematics.computable import computable
from learned_envs.rules.dependence import dependence
from learned_envs.rules.graph import Graph
from learned_envs.rules.origin import with_origin
from learned_envs.rules.quantity import Watch
from learned_envs.rules.recording import CALL, STEP, record_steps
from learned_envs.rules.rules import Rules
from learned_envs.rules.space import Numbers, space_data
from learned_envs.rules.tracing.trace import Trace, trace_rules
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.describe_equipment import describe_equipment
from learned_envs.systems.discovery import Probed
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.picture import self_contained_mjcf
from learned_envs.systems.spec import Leaf, SystemSpec
from learned_envs.task_entry import TaskEntry
from learned_envs.tasks.sensing import learned_sensors, read_names, sensed_inputs
from learned_envs.tasks.traced import TracedTask

COMPARED = 10_000
"""Steps of the real environment that its rules are compared with."""

MOUNTED = ("ten_", "actuator_", "qfrc_actuator")
"""How names of arrays of tendons and actuators begin."""

ORIGIN_SAMPLES, FARTHEST = 24, 100.0
"""States that are shifted to see what depends on where the world is, and by how many metres."""


@dataclass(frozen=True)
class TracedRules:
    """What was traced of a real environment.

    Attributes:
        task: what is asked.
        entries: what a card says of it.
    """

    task: TracedTask
    entries: Entries


def traced_rules(
    env: gym.Env[Any, Any], probed: Probed, entry: TaskEntry, reference: Reference
) -> TracedRules:
    """Trace the rules of a real environment and compare them with it.

    Leaves of the state that neither the motion nor the rules depend on are left out.

    Args:
        env: the environment as it was made.
        probed: its system.
        entry: of the task.
        reference: how it is made.

    Raises:
        UntraceableRulesError: if a line of its code cannot be traced, or what was traced is not
            what the environment does.
    """
    slots = Adapter(env, probed.spec.leaves).slots
    trace = trace_rules(env, slots, whole=False, search=True)
    leaves = (*probed.spec.leaves, *_found(trace))
    graphs = (trace.step, *([] if trace.start is None else [trace.start]))
    read = {name.partition(".")[2] for graph in graphs for name in graph.inputs}
    kept = (leaf for leaf in leaves if leaf.seen or leaf.name in read)
    spec = dataclasses.replace(probed.spec, leaves=tuple(kept))
    found = traced_task(env, spec, entry, probed, trace)
    notes = (*probed.notes, *derivation_notes(Adapter(env, spec.leaves), found))
    rules = found.rules
    entries = Entries(
        rules=rules,
        equipment=found.equipment,
        reference=reference,
        notes=notes or None,
    )
    return TracedRules(found, entries)


def _found(trace: Trace) -> Iterator[Leaf]:
    """Give the leaves that only tracing found: what is handed to physics may depend on them."""
    physics = [x for n, x in dependence(trace.step).items() if n.startswith(("ctrl", "physics."))]
    moving = {name for each in physics for numbers in each for name in numbers}
    for slot in trace.found:
        yield msgspec.structs.replace(slot.leaf, seen=f"memory.{slot.name}" in moving)


def traced_task(
    env: gym.Env[Any, Any],
    spec: SystemSpec,
    entry: TaskEntry,
    probed: Probed | None = None,
    trace: Trace | None = None,
    steps: int = COMPARED,
) -> TracedTask:
    """Trace the rules of a real environment whose system is known; see `traced_rules`.

    Args:
        env: the environment as it was made.
        spec: its system, with the leaves that the rules read.
        entry: of the task.
        probed: what acting in it told; None if that does not matter.
        trace: of its rules; None to trace them.
        steps: how many steps are compared.
    """
    real = Adapter(env, spec.leaves)
    probed = Probed(spec) if probed is None else probed
    if trace is None:
        trace = trace_rules(env, real.slots, whole=False)
    equipment = describe_equipment(real.model)
    shown = space_data(real.base.observation_space)
    step, learned = completed(trace, spec, shown.size)
    assert trace.start is not None
    start = tellable(trace.start, spec, equipment)
    _expect_told(start)
    recording = record_steps(env, [*step.inputs, "after.ctrl"], steps, slots=real.slots)
    step, checked, left_out = compared(step, recording, spec, entry.reference_id, probed.unheld)
    if "ctrl" not in step.outputs:
        # What actuators do is not known from the state then, and learned.
        unknown = (None,) * len(equipment.actuators)
        equipment = msgspec.structs.replace(equipment, actuators=unknown)
    starts, seen = record_starts(real, spec, start)
    start, untold = told_at_reset(start, seen, entry.reference_id)
    step = _with_origin(step, real, spec, equipment)
    names = read_names(step, start)
    # Arrays of all tendons or actuators need to know of those, too, that are not computed.
    told = [n for n in names if n.startswith(MOUNTED) or computable(n, equipment)]
    equipment = equipment.needed_for([*told, *(["act"] if _slow(spec) else [])])
    actions = space_data(real.base.action_space)
    assert isinstance(actions, Numbers)
    rules = Rules(
        step=step,
        start=start,
        observation_space=shown,
        action_space=actions,
        checked=checked,
        frozen=probed.frozen,
        ways=trace.ways,
        notes=(*trace.notes, *learned, *left_out, *untold),
    )
    return TracedTask(spec=spec, rules=rules, equipment=equipment, starts=starts, name=entry.name)


def _with_origin(step: Graph, real: Adapter, spec: SystemSpec, equipment: Equipment) -> Graph:
    """Find out which values depend on where the system is along its cyclic coordinates."""
    if not spec.cyclic:
        return step
    rng = np.random.default_rng(0)
    learned = sensed_inputs(step.inputs, learned_sensors(spec, equipment, step))
    here: dict[str, list[Any]] = {}
    there: dict[str, list[Any]] = {}
    low, high = np.array(spec.control_low), np.array(spec.control_high)
    for sample in range(ORIGIN_SAMPLES):
        real.reset(seed=sample)
        for _ in range(int(rng.integers(0, 20))):
            *_, ended, cut, _ = real.step(rng.uniform(low, high).astype(np.float32))
            if ended or cut:
                real.reset(seed=sample)
                break
        q, v, leaves = real.data.qpos.copy(), real.data.qvel.copy(), real.leaves()
        shifted = q.copy()
        far = rng.uniform(1.0, FARTHEST, len(spec.cyclic)) * rng.choice((-1, 1), len(spec.cyclic))
        shifted[list(spec.cyclic)] += far
        action = rng.uniform(low, high).astype(np.float32)
        first = _stepped(real, q, v, leaves, action, step)
        second = _stepped(real, shifted, v, leaves, action, step)
        # What a solver makes is predicted as it is, wherever the world lies.
        second |= {name: first[name] for name in learned}
        for values, found in ((first, here), (second, there)):
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    return with_origin(
        step,
        {name: np.stack(values) for name, values in here.items()},
        {name: np.stack(values) for name, values in there.items()},
    )


def _stepped(
    real: Adapter,
    q: Any,
    v: Any,
    leaves: Mapping[str, Any],
    action: Any,
    step: Graph,
) -> dict[str, Any]:
    """Take a step from a state, and return what rules read of it."""
    real.set_state(q, v, leaves)
    real.data.qacc_warmstart[:] = 0.0
    # What a step or a method returns is learned, and says nothing of where the world is.
    told = {n: np.zeros(s) for n, s in step.inputs.items() if n.startswith((CALL, STEP))}
    watch = Watch(real.data, [name for name in step.inputs if name not in told])
    memory = {
        f"memory.{slot.name}": slot.get(real.base)
        for slot in real.slots
        if f"memory.{slot.name}" in step.inputs
    }
    with watch.step():
        real.step(action)
    return {"action": action.astype(np.float64), **memory, **told, **watch.values}


def _expect_told(start: Graph) -> None:
    """Check that what a reset shows needs no more than the state."""
    if calls := sorted(name for name in start.inputs if name.startswith((CALL, STEP))):
        name = calls[0].removeprefix(CALL).removeprefix(STEP)
        raise UntraceableRulesError(
            f"What a reset shows is computed by {name}(), which cannot be traced. Let _get_obs() "
            "compute with numpy's functions."
        )


def reference_of(env: gym.Env[Any, Any], entry: TaskEntry) -> Reference:
    """Return how an environment is made, which was made just now, and how long its episodes are."""
    registered = gym.spec(entry.reference_id.rpartition(":")[2])
    return Reference(
        id=entry.reference_id,
        kwargs=dict(entry.kwargs),
        episode_steps=registered.max_episode_steps,
        reward_threshold=registered.reward_threshold,
        mjcf=self_contained_mjcf(env),
    )


def _slow(spec: SystemSpec) -> bool:
    return any(leaf.name == "act" for leaf in spec.leaves)
