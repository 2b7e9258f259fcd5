"""What a step returns, as outputs of a graph: those of all ways put together, and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.tracing.refusal import RAISED
from learned_envs.rules.tracing.tracer import Tracer

Outputs = dict[str, int]
Choose = Callable[[int, Outputs, Outputs], Outputs]


def flat(tracer: Tracer, space: gym.Space[Any], value: Any) -> int:
    """Return the node of an observation, flat.

    Raises:
        UntraceableRulesError: if the space has other parts than arrays of numbers.
    """
    parts = [tracer.number(tracer.lift(part).ravel()) for part in _parts(tracer, space, value)]
    node = parts[0] if len(parts) == 1 else tracer.builder.cat(parts)
    if tracer.builder[node].shape != (gym.spaces.flatdim(space),):
        raise UntraceableRulesError(
            f"Got an observation of shape {tracer.builder[node].shape}, expected"
            f" ({gym.spaces.flatdim(space)},) as its space says."
        )
    return node


def _parts(tracer: Tracer, space: gym.Space[Any], value: Any) -> list[Any]:
    if isinstance(space, gym.spaces.Dict):
        return [x for key, part in space.spaces.items() for x in _parts(tracer, part, value[key])]
    if isinstance(space, gym.spaces.Tuple):
        pairs = zip(space.spaces, value, strict=True)
        return [x for part, each in pairs for x in _parts(tracer, part, each)]
    if isinstance(space, gym.spaces.Box | gym.spaces.MultiBinary):
        return [value]
    if isinstance(space, gym.spaces.Discrete):
        return [tracer.lift(value).reshape(1) == np.arange(space.start, space.start + space.n)]
    raise UntraceableRulesError(
        f"Got an observation of {space}, expected arrays of numbers, in a Dict or a Tuple or alone."
    )


def number(tracer: Tracer, value: Any) -> int:
    """Return the node of one number."""
    return tracer.builder.view(tracer.number(tracer.lift(value)), ())


def logical(tracer: Tracer, value: Any) -> int:
    """Return the node of one truth value."""
    return tracer.builder.view(tracer.logical(tracer.lift(value)), ())


def infos(tracer: Tracer, info: Mapping[str, Any], prefix: str = "info") -> Outputs:
    """Return the infos that are numbers."""
    found: Outputs = {}
    for key, value in info.items():
        if isinstance(value, Mapping):
            found |= infos(tracer, value, f"{prefix}.{key}")
            continue
        try:
            lifted = tracer.lift(value)
        except (UntraceableRulesError, ValueError, TypeError):
            RAISED.clear()
            continue
        found[f"{prefix}.{key}"] = tracer.number(lifted)
    return found


def choose(builder: GraphBuilder, notes: list[str]) -> Choose:
    """Return what makes one of the outputs of two ways; what it leaves out, it notes."""

    def chosen(condition: int, yes: Outputs, no: Outputs) -> Outputs:
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

    return chosen
