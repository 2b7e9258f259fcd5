"""Traced rules, held against steps of the environment that they are of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.check import apart, compare, predicted
from learned_envs.rules.comparison import Comparison
from learned_envs.rules.graph import Graph
from learned_envs.rules.recording import Recording
from learned_envs.rules.tracing.rename import copied
from learned_envs.schema import LARGEST
from learned_envs.systems.spec import SystemSpec

EXACT = 1e-5
"""Difference up to which rules count as exact: actions, and some observations, are float32."""

ENDS = ("terminated", "truncated")
"""Outputs of which it is counted how often they differ."""

FORCED = "physics."
"""How outputs begin that a step hands to physics, and that a model does without."""

NAMED = 3
"""Things that the environment keeps and no state has, of which a message names so many."""


def compared(
    step: Graph, recording: Recording, spec: SystemSpec, name: str, unheld: Mapping[str, str]
) -> tuple[Graph, Comparison, list[str]]:
    """Compare rules with the environment, and leave out what is not told, and infos that are wrong.

    Args:
        step: the rules.
        recording: of the environment, with what they read, and `after.ctrl`.
        spec: the system, with the leaves that something depends on.
        name: of the environment.
        unheld: what it keeps that cannot be part of a state, by its path, with the reason.

    Returns:
        The rules, how they differ from the environment, and notes of what was left out.

    Raises:
        UntraceableRulesError: if anything but an info differs by more than rounding does.
    """
    unneeded = [output for output in step.outputs if output.startswith(FORCED)]
    if _controls_between(step, recording):
        unneeded.append("ctrl")
    step = without(step, unneeded)
    checked, notes = compare(step, recording), []
    if wrong := [x for x in apart(checked, recording, EXACT) if x.startswith("info.")]:
        step = without(step, wrong)
        checked = compare(step, recording)
        infos = ", ".join(x.removeprefix("info.") for x in wrong)
        notes.append(
            f"The info {infos} is left out: it depends on more than the state and the action."
        )
    if differing := apart(checked, recording, EXACT) | _unmoved(step, spec, recording):
        raise _disagreement(name, differing, checked.steps, unheld)
    return step, checked, notes


def without(graph: Graph, names: Collection[str]) -> Graph:
    """Return a graph without some outputs, and without what only these read."""
    builder = GraphBuilder()
    places = copied(builder, graph, str)
    return builder.graph({n: places[x] for n, x in graph.outputs.items() if n not in names})


def _controls_between(step: Graph, recording: Recording) -> bool:
    """Whether a step changes the controls between two calls of physics.

    Then forces follow from more than the controls that it begins with.
    """
    last = recording.inputs["after.ctrl"]
    found = predicted(step, Recording(recording.inputs, {"reward": last, "ctrl": last}))
    return "ctrl" in found and bool(
        (np.abs(found["ctrl"] - last) > EXACT * (1 + np.abs(last))).any()
    )


def _unmoved(step: Graph, spec: SystemSpec, recording: Recording) -> dict[str, float]:
    """Return by how much leaves change that no rule changes."""
    told = {name.removeprefix("memory.") for name in step.outputs} | {"time"}
    if "ctrl" in told:
        told.add("act")
    names = [f"memory.{leaf.name}" for leaf in spec.leaves if leaf.name not in told]
    moved = {
        name: float(np.abs(recording.outputs[name] - recording.inputs[name]).max(initial=0.0))
        for name in names
    }
    return {name: far for name, far in moved.items() if not far <= EXACT}


def _disagreement(
    name: str, differing: Mapping[str, float], steps: int, unheld: Mapping[str, str]
) -> UntraceableRulesError:
    told = [_worded(output, error) for output, error in differing.items()]
    kept = "".join(f" {path} {why}." for path, why in [*unheld.items()][:NAMED])
    return UntraceableRulesError(
        f"The rules of {name} depend on more than the state and the action: in "
        f"{steps:,} steps, what was traced differs from what it returned: {', '.join(told)}.{kept} "
        "Keep what they need in numbers or arrays that are attributes of the environment "
        "from reset on, and not in variables of a module or a class, files or clocks."
    )


def _worded(output: str, error: float) -> str:
    if output in ENDS:
        return f"{output} in {error:g} steps"
    return (
        f"{output}, one of the two being no number"
        if error >= LARGEST
        else f"{output} by {error:.2g}"
    )
