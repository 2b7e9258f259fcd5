"""Rules beside the environment that they are of, given what physics did."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from learned_envs.errors import RulesError
from learned_envs.rules.comparison import Comparison
from learned_envs.rules.evaluator import Evaluator
from learned_envs.rules.graph import Graph
from learned_envs.rules.quantity import Array
from learned_envs.rules.recording import Recording
from learned_envs.schema import LARGEST

CHUNK = 1000
"""Samples that are computed at a time."""


def predicted(graph: Graph, recording: Recording) -> dict[str, Array]:
    """Return what a graph computes of recorded inputs in float64: name -> (n, *shape).

    Only those outputs are computed that the recording has, too.
    """
    evaluate = Evaluator(graph, [name for name in graph.outputs if name in recording.outputs])
    if missing := evaluate.inputs - recording.inputs.keys():
        raise RulesError(f"Got no recorded {sorted(missing)}, which the rules need.")
    found: dict[str, list[Array]] = {name: [] for name in evaluate.outputs}
    for start in range(0, recording.steps, CHUNK):
        inputs = {
            name: torch.as_tensor(recording.inputs[name][start : start + CHUNK])
            for name in evaluate.inputs
        }
        for name, value in evaluate(inputs).items():
            found[name].append(value.numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def compare(graph: Graph, recording: Recording) -> Comparison:
    """Return how rules differ from what a real environment returned.

    Args:
        graph: of a step.
        recording: of the environment, with what the graph reads.

    Raises:
        RulesError: if the recording lacks an input.
    """
    ours, theirs = predicted(graph, recording), recording.outputs
    errors = {name: _largest(ours[name], theirs[name]) for name in ours}
    return Comparison(
        steps=recording.steps,
        ends=int(theirs["terminated"].sum()),
        observation=tuple(errors["observation"].tolist()),
        reward=float(errors["reward"].max()),
        terminated=int((ours["terminated"] != theirs["terminated"]).sum()),
        truncated=int((ours["truncated"] != theirs["truncated"]).sum()),
        infos=_named(errors, "info."),
        memory=_named(errors, "memory."),
        missing=tuple(sorted(name for name in theirs.keys() - ours.keys() if "info." in name)),
    )


def apart(checked: Comparison, recording: Recording, tolerance: float) -> dict[str, float]:
    """Return what differs by more than rounding does: output -> largest difference, or how often.

    Args:
        checked: what `compare` returned.
        recording: that the rules were compared with.
        tolerance: of numbers of the size 1; of larger ones it is as many times larger.
    """
    errors = {
        "observation": max(checked.observation, default=0.0),
        "reward": checked.reward,
        **{f"info.{name}": error for name, error in checked.infos.items()},
        **{f"memory.{name}": error for name, error in checked.memory.items()},
    }
    found = {}
    for name, error in errors.items():
        theirs = np.abs(recording.outputs[name])
        if error > tolerance * (1.0 + theirs[np.isfinite(theirs)].max(initial=0.0)):
            found[name] = error
    times = {"terminated": checked.terminated, "truncated": checked.truncated}
    return found | {name: float(count) for name, count in times.items() if count}


def _largest(ours: Array, theirs: Array) -> Any:
    """Return the largest difference of each column, (columns,)."""
    size = len(ours)
    x, y = ours.reshape(size, -1).astype(np.float64), theirs.reshape(size, -1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(x - y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    apart = np.where(same, 0.0, np.where(np.isfinite(apart), apart, LARGEST))
    return np.minimum(apart, LARGEST).max(axis=0)


def _named(errors: dict[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): float(error.max(initial=0.0))
        for name, error in errors.items()
        if name.startswith(prefix)
    }
