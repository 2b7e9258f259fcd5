"""The plots of a report, as plain data that plotly.js draws.

Lines differ by dash and mark, and not by colour alone. Text and grid have no colours here: those of
the page are light or dark, and its style gives them.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from learned_envs.report.content import Channels, Content, Coverage, TrainingCurve, Windows

COLOURS = ("#d1495b", "#2f7ebc", "#4c956c", "#a66bbf", "#c17c1b", "#5f7f8c")
"""Each has a contrast of 3 or more on white and on the page's dark background."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "cross")

HEIGHT = 380
"""Of a plot, pixels."""

SHOWN_CHANNELS = 30
"""Channels of a plot, at most: those that are farthest off. The table has all."""


def charts(content: Content) -> dict[str, str]:
    """Return each plot that a report has something to show in, as JSON, by its name."""
    made: dict[str, go.Figure] = {}
    for index, each in enumerate(content.errors):
        curves = {curve.name: curve.median for curve in each.errors.curves}
        made[f"errors-{index}"] = _over(each.errors.horizons, curves)
    if content.channels is not None:
        made["channels"] = _by_channel(content.channels)
    if content.windows is not None:
        if content.windows.rank_correlation is not None:
            made["trust"] = _trust(content.windows)
        if content.coverage is not None:
            made["coverage"] = _coverage(content.coverage, content.windows.worst)
    if curves_of := [c for c in content.curves if c.name.startswith("loss")]:
        made["loss"] = _training(curves_of, "loss")
    if curves_of := [c for c in content.curves if "median_error" in c.name]:
        made["held-out"] = _training(curves_of, "median held-out error")
    if content.rounds:
        made["rounds"] = _rounds(content)
    # "<" could end the script that the page holds it in.
    return {name: _plain(figure).replace("<", "\\u003c") for name, figure in made.items()}


def _plain(figure: go.Figure) -> str:
    figure.update_layout(
        template="none",
        height=HEIGHT,
        margin={"l": 64, "r": 16, "t": 16, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 14},
        legend={"orientation": "h", "y": -0.25, "bgcolor": "rgba(0,0,0,0)"},
    )
    axes = {"gridcolor": "#888888", "gridwidth": 0.3, "zeroline": False, "automargin": True}
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes)
    plain = json.loads(str(figure.to_json()))
    return json.dumps({"data": plain["data"], "layout": plain["layout"]})


def _decades(values: Sequence[float | None]) -> dict[str, Any]:
    """Return a logarithmic axis that is marked at powers of ten alone if it spans several."""
    there = [value for value in values if value is not None and math.isfinite(value) and value > 0]
    axis: dict[str, Any] = {"type": "log", "exponentformat": "power"}
    if there and max(there) > 30 * min(there):
        axis["dtick"] = 1
    return axis


def _line(index: int, name: str, x: Sequence[Any], y: Sequence[Any], marks: bool = True) -> Any:
    place = index % len(COLOURS)
    return go.Scatter(
        x=list(x),
        y=[None if value is None or not math.isfinite(value) else value for value in y],
        name=name,
        mode="lines+markers" if marks else "lines",
        line={"color": COLOURS[place], "dash": DASHES[place], "width": 2},
        marker={"symbol": MARKS[place], "size": 9},
    )


def _points(
    figure: go.Figure,
    x: Sequence[Any],
    y: Sequence[Any],
    worst: Sequence[int],
    marks: tuple[dict[str, Any], dict[str, Any]],
    text: Sequence[str] | None = None,
) -> None:
    """Add windows to a plot: the worst, by their indices, in marks and a colour of their own."""
    others = [i for i in range(len(x)) if i not in worst]
    groups = (("windows", others, COLOURS[1]), ("the worst", worst, COLOURS[0]))
    for mark, (name, shown, colour) in zip(marks, groups, strict=True):
        figure.add_scatter(
            x=[x[i] for i in shown],
            y=[y[i] for i in shown],
            name=name,
            mode="markers",
            marker={**mark, "color": colour},
            text=None if text is None else [text[i] for i in shown],
        )


def _over(horizons: Sequence[int], curves: dict[str, tuple[float, ...]]) -> go.Figure:
    # The model comes first, whatever else there is.
    names = sorted(curves, key=lambda name: name != "model")
    figure = go.Figure([_line(i, name, horizons, curves[name]) for i, name in enumerate(names)])
    figure.update_xaxes(title="steps", type="log", tickvals=list(horizons))
    every = [value for values in curves.values() for value in values]
    figure.update_yaxes(title="median squared error", **_decades(every))
    return figure


def _by_channel(channels: Channels) -> go.Figure:
    middle = len(channels.horizons) // 2
    shares = {
        name: channels.model[middle][i] / channels.spread[i]
        for i, name in enumerate(channels.names)
        if channels.spread[i] > 0
    }
    kept = sorted(shares, key=lambda name: shares[name])[-SHOWN_CHANNELS:]
    figure = go.Figure(
        go.Bar(
            x=[shares[name] for name in kept],
            y=kept,
            orientation="h",
            marker={"color": COLOURS[1]},
            text=[f"{shares[name]:.0%}" for name in kept],
            textposition="outside",
            cliponaxis=False,
        )
    )
    figure.update_xaxes(
        title=f"error / spread after {channels.horizons[middle]} steps",
        tickformat=".0%",
        # Room for the numbers behind the bars.
        range=[0, 1.2 * max(shares.values(), default=1.0)],
    )
    figure.update_yaxes(ticks="")
    figure.update_layout(meta={"height": 120 + 22 * len(kept)})
    return figure


def _trust(windows: Windows) -> go.Figure:
    figure = go.Figure()
    _points(
        figure,
        [place.disagreement for place in windows.places],
        [place.error if math.isfinite(place.error) else None for place in windows.places],
        windows.worst,
        (
            {"symbol": "circle", "size": 6, "opacity": 0.6},
            {"symbol": "x", "size": 10, "opacity": 1},
        ),
        [f"episode {place.episode}, step {place.step}" for place in windows.places],
    )
    if windows.threshold is not None and windows.threshold > 0:
        figure.add_vline(x=windows.threshold, line={"dash": "dash", "color": "#888888"})
        # A note's place on a logarithmic axis is the logarithm.
        figure.add_annotation(
            x=math.log10(windows.threshold),
            y=1,
            yref="paper",
            text="environments cut here",
            showarrow=False,
            xanchor="right",
        )
    said, errors = [p.disagreement for p in windows.places], [p.error for p in windows.places]
    figure.update_xaxes(title="largest disagreement in the window", **_decades(said))
    figure.update_yaxes(title=f"squared error after {windows.horizon} steps", **_decades(errors))
    return figure


def _coverage(coverage: Coverage, worst: tuple[int, ...]) -> go.Figure:
    # Many states lie in few cells: their logarithm shows the others too.
    shade = [[math.log10(1 + count) for count in row] for row in coverage.states]
    text = [[f"{count:,} states" for count in row] for row in coverage.states]
    middles = [[(a + b) / 2 for a, b in itertools.pairwise(e)] for e in coverage.edges]
    figure = go.Figure(
        go.Heatmap(
            x=middles[0],
            y=middles[1],
            z=shade,
            text=text,
            hoverinfo="text",
            showscale=False,
            colorscale=[[0, "rgba(120,130,140,0)"], [1, "rgba(120,130,140,1)"]],
        )
    )
    _points(
        figure,
        [point[0] for point in coverage.windows],
        [point[1] for point in coverage.windows],
        worst,
        ({"symbol": "circle-open", "size": 5}, {"symbol": "x", "size": 11}),
    )
    figure.update_xaxes(title="first direction")
    figure.update_yaxes(title="second direction")
    return figure


def _training(curves: Sequence[TrainingCurve], title: str) -> go.Figure:
    ends = {curve.name: curve.name.rpartition("_")[2] for curve in curves}
    sorted_curves = sorted(curves, key=lambda c: int(ends[c.name]) if ends[c.name].isdigit() else 0)
    names = {
        curve.name: f"after {ends[curve.name]}" if ends[curve.name].isdigit() else "training"
        for curve in curves
    }
    lines = [
        _line(i, names[curve.name], curve.updates, curve.values, len(curve.updates) < 30)
        for i, curve in enumerate(sorted_curves)
    ]
    figure = go.Figure(lines)
    figure.update_xaxes(title="updates")
    every = [value for curve in curves for value in curve.values]
    figure.update_yaxes(title=title, **_decades(every))
    return figure


def _rounds(content: Content) -> go.Figure:
    numbers = [each.number for each in content.rounds]
    figure = go.Figure(
        [
            _line(0, "inside", numbers, [each.inside for each in content.rounds]),
            _line(1, "outside", numbers, [each.outside for each in content.rounds]),
        ]
    )
    figure.update_xaxes(title="round", tickvals=numbers)
    figure.update_yaxes(title="return")
    return figure
