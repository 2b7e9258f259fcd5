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
