"""What an environment shows as one vector: as `gymnasium.spaces.utils.flatten` does."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.tracer import Tracer


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
