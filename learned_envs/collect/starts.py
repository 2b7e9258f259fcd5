"""Where episodes begin: recorded resets, and what these return."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from learned_envs.collect.compared import EXACT, without
from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.check import predicted
from learned_envs.rules.graph import Graph
from learned_envs.rules.quantity import Array, Watch
from learned_envs.rules.recording import Recording, numeric
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.sensing import learned_sensors

STARTS = 4096
"""Resets that are recorded."""


def record_starts(
    real: Adapter, spec: SystemSpec, start: Graph, count: int = STARTS
) -> tuple[Tensor, Recording]:
    """Reset a real environment many times, and record where episodes begin.

    Returns:
        (count, nq + nv + leaves) float32; and what the rules of a reset read, and what it returned.
    """
    rows = []
    inputs: dict[str, list[Any]] = {}
    shown, told = [], []
    shapes = {leaf.name: leaf.shape for leaf in spec.leaves}
    for seed in range(count):
        observation, info = real.begin(seed)
        shown.append(observation)
        told.append(numeric(info))
        leaves = real.leaves()
        rows.append(np.concatenate([real.data.qpos, real.data.qvel, *leaves.values()]))
        watch = Watch(real.data, [*start.inputs])
        watch.copy("after")
        own = {f"memory.{name}": leaf.reshape(shapes[name]) for name, leaf in leaves.items()}
        for name, value in {**watch.values, **own}.items():
            inputs.setdefault(name, []).append(value)
    stacked = {name: np.stack(values) for name, values in inputs.items()}
    outputs = {"observation": np.stack(shown), "reward": np.zeros(count)}
    for name in told[0]:
        values = [info[name] for info in told if name in info]
        if len(values) == count and len({value.shape for value in values}) == 1:
            outputs[name] = np.stack(values)
    starts = torch.tensor(np.stack(rows), dtype=torch.float32)
    return starts, Recording(stacked, outputs)


def tellable(start: Graph, spec: SystemSpec, equipment: Equipment) -> Graph:
    """Return rules of a reset without infos that need a sensor: none has read anything then."""
    sensed = [
        info
        for info in start.outputs.keys() - {"observation"}
        if learned_sensors(spec, equipment, without(start, start.outputs.keys() - {info}))
    ]
    return without(start, sensed)


def told_at_reset(start: Graph, seen: Recording, name: str) -> tuple[Graph, list[str]]:
    """Check rules of a reset, and leave out infos that it does not return.

    Args:
        start: the rules, with infos that a reset may return.
        seen: recorded resets.
        name: of the environment.

    Returns:
        The rules, and notes of what a reset returns and they do not.

    Raises:
        UntraceableRulesError: if what they show is not what the real environment shows.
    """
    ours, theirs = predicted(start, seen), seen.outputs
    worst = _away(ours["observation"], theirs["observation"])
    if worst.max(initial=0.0) > 0:
        column = int(worst.argmax())
        raise UntraceableRulesError(
            f"What a reset of {name} shows is not what its _get_obs() says of the state: column "
            f"{column} differs by {worst[column]:.2g}. Let reset and step show what _get_obs() "
            "returns, and keep what it needs in attributes.",
            "",
        )
    right = {
        output
        for output, values in ours.items()
        if values.shape == theirs[output].shape and not _away(values, theirs[output]).any()
    }
    untold = [x.removeprefix("info.") for x in theirs if x.startswith("info.") and x not in right]
    notes = [f"The info {', '.join(untold)} of a reset is left out."] if untold else []
    return without(start, start.outputs.keys() - right), notes


def _away(ours: Array, theirs: Array) -> Array:
    """Return the largest difference of each column, 0 where that is no more than rounding is."""
    size = len(ours)
    ours, theirs = ours.reshape(size, -1), theirs.reshape(size, -1)
    worst = np.nan_to_num(np.abs(ours - theirs), nan=np.inf).max(0)
    return np.where(worst <= EXACT * (1 + np.abs(theirs).max(0)), 0.0, worst)
