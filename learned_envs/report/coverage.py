"""A map of the data: how often states were learned from, and where held-out windows begin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.evaluation.evaluation import offset, still
from learned_envs.report.content import Coverage
from learned_envs.report.measured import Measured
from learned_envs.state import State
from learned_envs.systems.channels import channel_names
from learned_envs.systems.spec import SystemSpec

CELLS = 24
"""Along each side of the map."""

MAPPED = 100_000
"""States that are counted, at most."""

NAMED = 2
"""Channels that a direction is named by."""

OUTER = 0.005
"""Share of the states that may lie beyond each end of the map, where they are counted in its
outermost cells."""


@torch.no_grad()
def coverage(
    measured: Measured, order: list[int], recording: Recording, spec: SystemSpec
) -> Coverage | None:
    """Map a recording along the two directions in which its states vary most.

    Directions are the first two principal components of positions and velocities, each in units of
    its spread.

    Args:
        measured: the held-out windows.
        order: of the windows.
        recording: what is mapped.
        spec: the system.

    Returns:
        The map; None if fewer than two dimensions vary.
    """
    if int((measured.yardstick.weight > 0).sum()) < 2:
        return None
    states = Trajectories.of(recording, spec, measured.window.actions.device).states()
    if len(states.q) > MAPPED:
        every = torch.linspace(0, len(states.q) - 1, MAPPED, device=states.q.device).long()
        states = states[every]
    origin = still(states)

    def seen(state: State) -> Tensor:
        there = State(origin.q[:1].expand_as(state.q), torch.zeros_like(state.v))
        off = offset(measured.yardstick.kinematics, there, state)
        return (off * measured.yardstick.weight).double()

    points = seen(states)
    centre = points.mean(0)
    covariance = torch.cov((points - centre).mT)
    values, vectors = torch.linalg.eigh(covariance)
    chosen = vectors[:, [-1, -2]]
    names = channel_names(spec)
    axes = [
        " and ".join(names[i] for i in direction.abs().topk(NAMED).indices.tolist())
        for direction in chosen.mT
    ]
    flat = ((points - centre) @ chosen).cpu().numpy()
    ends = np.quantile(flat, (OUTER, 1 - OUTER), axis=0)
    edges = [np.linspace(low, max(high, low + 1e-6), CELLS + 1) for low, high in ends.T]
    inside = np.clip(flat, [e[0] for e in edges], [e[-1] for e in edges])
    counts, _, _ = np.histogram2d(inside[:, 1], inside[:, 0], [edges[1], edges[0]])
    windows = ((seen(measured.window.start) - centre) @ chosen).cpu().numpy()[order]
    share = (values[[-1, -2]] / values.sum()).tolist()
    return Coverage(
        (axes[0], axes[1]),
        (share[0], share[1]),
        (tuple(edges[0].tolist()), tuple(edges[1].tolist())),
        tuple(tuple(int(n) for n in row) for row in counts),
        tuple((float(x), float(y)) for x, y in windows),
    )
