"""A picture of each channel: over time, its spectrum, and where its values are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import welch

from learned_envs.logs.check import Checked
from learned_envs.logs.map import LogMap
from learned_envs.logs.stretch import track_of

SHOWN = 2000
"""Rows of the part over time."""


def draw(checked: Checked, log_map: LogMap, folder: Path) -> Iterator[Path]:
    """Draw each mapped column into a file, and give the files.

    Raises:
        OSError: if one cannot be written.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    longest = max(checked.sample, key=lambda stretch: stretch.seconds)
    for meaning, column in log_map.columns():
        track, values = track_of(longest, column)
        figure = Figure(figsize=(10, 2.6), layout="constrained")
        over_time, spectrum, places = figure.subplots(1, 3, width_ratios=(3, 1, 1))
        over_time.plot(track.time[:SHOWN], values[:SHOWN], linewidth=0.8)
        over_time.set_title(f"{meaning}: {column}", fontsize=9)
        over_time.set_xlabel("s")
        rate = 1.0 / float(np.median(np.diff(track.time)))
        at, power = welch(values, rate, nperseg=min(len(values), 256))
        spectrum.semilogy(at[1:], np.maximum(power[1:], 1e-300), linewidth=0.8)
        spectrum.set_xlabel("Hz")
        places.hist(values, 40, orientation="horizontal")
        places.set_xlabel("rows")
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', column).strip('_')}.png"
        figure.savefig(path, dpi=80)
        yield path
