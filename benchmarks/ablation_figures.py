"""The figures of `ablation.py`: errors on episodes that were kept back, and their table's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean

import torch
from cells import Figures

from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.evaluation.evaluation import Yardstick, offset, still

HORIZONS = (1, 10, 25, 50, 100)
"""Steps after which errors are shown, if episodes that were kept back are so long."""

COMPARED = 25
"""Steps after which a variant's error is set beside the base's."""

WINDOWS = 1000
"""Windows that each error is measured on."""


@torch.no_grad()
def measure(dynamics: Ensemble, held: Trajectories) -> Figures:
    """Roll the members' mean out along windows that were kept back, beside holding the first state.

    Returns:
        Medians and means of the error by horizon, those of holding, and the ratio of spreads.
    """
    spec, kinematics = dynamics.spec, dynamics.kinematics
    yardstick = Yardstick.of(held, kinematics, spec.cyclic)
    medians, means, holding, spread = {}, {}, {}, 1.0
    for horizon in HORIZONS:
        if horizon > held.longest:
            break
        rows = held.draw((WINDOWS,), horizon, torch.Generator().manual_seed(0))
        window = held.window(rows, horizon)
        state, true = window.start, window.after(horizon)
        for t in range(horizon):
            reached = dynamics.step(state, window.actions[:, t]).state
            state = reached.where(dynamics.inside(reached), state)
            state = window.told(state, t + 1, dynamics.computes)
        error = yardstick.error(state, true)
        medians[str(horizon)], means[str(horizon)] = error.median().item(), error.mean().item()
        holding[str(horizon)] = yardstick.error(window.start, true).median().item()
        origin = still(true)
        inside, outside = (offset(kinematics, origin, s).std(0) for s in (state, true))
        spread = (inside / outside)[yardstick.weight > 0].median().item()
    return {"medians": medians, "means": means, "hold": holding, "spread": spread}


def row(variant: str, found: Mapping[int, Figures], base: Mapping[int, Figures]) -> list[str]:
    """Return the cells of a variant's row but for its time, seeds taken together."""
    each = list(found.values())

    def mean(of: Sequence[float]) -> str:
        return f"{geometric_mean(of):.2g}" if of else ""

    def errors(kind: str, horizon: int, of: Iterable[Figures] = each) -> list[float]:
        return [f[kind][str(horizon)] for f in of if str(horizon) in f[kind]]

    pairs = [errors("medians", COMPARED, (found[s], base[s])) for s in found if s in base]
    ratios = [pair[0] / pair[1] for pair in pairs if pair]
    ratio = mean(ratios)
    if len(ratios) > 1:
        ratio += f" ({min(ratios):.2g} to {max(ratios):.2g})"
    return [
        *(mean(errors("medians", horizon)) for horizon in HORIZONS),
        mean(errors("means", COMPARED)),
        ratio,
        mean([figures["spread"] for figures in each]),
        f"{geometric_mean([figures['updates'] for figures in each]):,.0f}",
        mean([figures["cost"] for figures in each]),
    ]
