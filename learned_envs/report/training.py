"""How a training went: its curves, and how far it came."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
from safetensors import SafetensorError, safe_open

from learned_envs.files import check_header
from learned_envs.fit.folder import CURVES_FOLDER, PROGRESS_FILE
from learned_envs.report.content import TrainingCurve

MOST = 1000
"""Points of a curve that are kept."""


def training_curves(run: Path) -> tuple[TrainingCurve, ...]:
    """Read TensorBoard's curves of a fit; none if there are none."""
    folder = run / CURVES_FOLDER
    if not any(folder.glob("events.*")):
        return ()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    curves = []
    for name in sorted(events.Tags()["scalars"], key=lambda name: (name != "loss/train", name)):
        points = {event.step: event.value for event in events.Scalars(name)}
        kept = sorted(points)[:: max(1, len(points) // MOST)]
        values = tuple(points[step] if math.isfinite(points[step]) else None for step in kept)
        curves.append(TrainingCurve(name, tuple(kept), values))
    return tuple(curves)


def updates_done(run: Path) -> int | None:
    """Return the gradient steps that a fit's folder would go on from; None if it cannot."""
    path = run / PROGRESS_FILE
    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            counters = msgspec.json.decode((file.metadata() or {})["counters"])
            return int(counters["update"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, msgspec.MsgspecError):
        return None
