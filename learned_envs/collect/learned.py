"""Rules of a step of which some are learned, because they could not be traced."""

from __future__ import annotations

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.rename import copied
from learned_envs.rules.tracing.trace import Trace
from learned_envs.systems.spec import SystemSpec

REWARD, TERMINATED, OBSERVATION = "step.reward", "step.terminated", "step.observation"
"""What a sensor learns of what a step returns."""


def completed(trace: Trace, spec: SystemSpec, columns: int) -> tuple[Graph, tuple[str, ...]]:
    """Put sensors in the place of what could not be traced of a step.

    Args:
        trace: of the step.
        spec: the system, with the leaves that something depends on.
        columns: of the observation.

    Returns:
        The graph of a step with all that a step returns, and notes that say what is learned.

    Raises:
        UntraceableRulesError: if the rest cannot be learned either.
    """
    notes = [f"{name}() is learned: {why}" for name, why in trace.cuts.items()]
    if trace.start is None:
        why = trace.missing.get("observation", "What a reset shows is not known from the state.")
        raise UntraceableRulesError(
            f"{why} Give the environment a method _get_obs that returns the observation, and call "
            "it in reset and step."
        )
    if not trace.missing:
        return trace.step, tuple(notes)
    why = next(iter(trace.missing.values()))
    moving = [
        leaf.name
        for leaf in spec.leaves
        if not leaf.frozen and f"memory.{leaf.name}" not in trace.step.outputs
    ]
    if "act" in moving and "ctrl" in trace.step.outputs:
        moving.remove("act")
    if moving:
        raise UntraceableRulesError(f"{why} So how {', '.join(moving)} change is not known.")
    builder = GraphBuilder()
    places = copied(builder, trace.step, str)
    outputs = {name: places[place] for name, place in trace.step.outputs.items()}
    learned = [name for name in trace.missing if name not in ("truncated", "ctrl")]
    if "observation" in trace.missing:
        outputs["observation"] = builder.input(f"after.{OBSERVATION}", (columns,))
    if "reward" in trace.missing:
        outputs["reward"] = builder.input(f"after.{REWARD}", ())
    if "terminated" in trace.missing:
        likely = builder.input(f"after.{TERMINATED}", ())
        outputs["terminated"] = builder.add("gt", likely, builder.constant(0.5))
    if "truncated" in trace.missing:
        outputs["truncated"] = builder.constant(False)
        notes.append("Steps are taken to cut no episode.")
    if learned:
        notes.append(f"{', '.join(learned)} of a step are learned: {why}")
    return builder.graph(outputs), tuple(notes)
