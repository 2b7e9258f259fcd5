"""A picture of the rooms of the code and of who imports whom, made from the imports themselves."""

from __future__ import annotations

import ast
from html import escape
from itertools import pairwise
from statistics import fmean

import grimp
from sources import ROOT

PACKAGE = "learned_envs"

ROOMS = (
    *("systems", "collect", "data", "state", "kinematics", "rules", "tasks", "dynamics", "fit"),
    *("checkpoint", "simulation", "codegen", "stepping", "envs", "evaluation", "planning"),
    *("logs", "sharing", "sb3", "transfer", "report"),
)
"""What is drawn. The other files are what all rooms stand on, or parse and print."""

WIDTH, HEIGHT = 112, 32
ACROSS, BESIDE, DOWN = 132, 34, 70
"""How much of a row a room takes and an arrow that goes past, and how far rows are apart."""

MARGIN = 10

Place = tuple[str, ...]
"""A room, or an arrow from one to another where it goes past a row: (room, other, the row)."""


def imports() -> dict[str, set[str]]:
    """Return for each room the rooms that it imports when it runs."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module in graph.modules:
        room = _room(module)
        for other in graph.find_modules_directly_imported_by(module) if room in found else ():
            if (target := _room(other)) in found and target != room:
                found[room].add(target)
    return found


def _room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def reduced(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each import that a longer way implies.

    Raises:
        ValueError: if imports go in a circle.
    """
    far = {room: _reached(room, edges, ()) for room in edges}
    return {
        room: {other for other in direct if not any(other in far[each] for each in direct)}
        for room, direct in edges.items()
    }


def _reached(room: str, edges: dict[str, set[str]], way: tuple[str, ...]) -> set[str]:
    if room in way:
        raise ValueError(f"Imports go in a circle: {' -> '.join((*way, room))}")
    direct = edges[room]
    return direct.union(*(_reached(each, edges, (*way, room)) for each in direct))


def heights(edges: dict[str, set[str]]) -> dict[str, int]:
    """Return the row of each room, from below: it is above all that it imports."""
    found: dict[str, int] = {}

    def find(room: str) -> int:
        if room not in found:
            found[room] = 1 + max((find(each) for each in edges[room]), default=-1)
        return found[room]

    return {room: find(room) for room in edges}


def ways(edges: dict[str, set[str]]) -> list[list[Place]]:
    """Return for each arrow the places that it goes through, one in each row, from above."""
    row = heights(edges)
    return [
        [
            (room,),
            *((room, other, str(past)) for past in range(row[room] - 1, row[other], -1)),
            (other,),
        ]
        for room, others in edges.items()
        for other in sorted(others)
    ]


def rows(edges: dict[str, set[str]]) -> list[list[Place]]:
    """Return what stands in each row, the uppermost first, in an order with few crossings."""
    row = heights(edges)
    levels: list[list[Place]] = [[] for _ in range(max(row.values()) + 1)]
    for room, height in row.items():
        levels[height].append((room,))
    near: dict[Place, list[Place]] = {(room,): [] for room in edges}
    for way in ways(edges):
        for one, other in pairwise(way):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
        for past in way[1:-1]:
            levels[int(past[2])].append(past)
    # Each row is put in the order of what stands next to it, from below and from above in turn.
    at = {place: 0.5 for level in levels for place in level}
    for order in (levels, levels[::-1]) * 12:
        for level in order:
            level.sort(key=lambda place: fmean(at[each] for each in near[place] or [place]))
            at.update((place, (n + 0.5) / len(level)) for n, place in enumerate(level))
    return levels[::-1]


def told(room: str) -> str:
    """Return the first sentence of what a room says of itself."""
    path = ROOT / PACKAGE / room / "__init__.py"
    path = path if path.exists() else path.parents[1] / f"{room}.py"
    words = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(words.split())


def picture() -> str:
    """Return the picture as SVG that takes the page's colours."""
    edges = reduced(imports())
    levels = rows(edges)
    widths = [sum(_wide(place) for place in level) for level in levels]
    width, height = 2 * MARGIN + max(widths), 2 * MARGIN + DOWN * len(levels)
    at: dict[Place, tuple[float, float]] = {}
    for number, (level, taken) in enumerate(zip(levels, widths, strict=True)):
        x = (width - taken) / 2
        for place in level:
            at[place] = (x + _wide(place) / 2, MARGIN + (number + 0.5) * DOWN)
            x += _wide(place)
    arrows = "".join(f'<path d="{_line(way, at)}" marker-end="url(#head)"/>' for way in ways(edges))
    boxes = "".join(_box(place[0], *at[place]) for place in at if len(place) == 1)
    return (
        f'<svg class="house" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="The rooms of the code; an arrow leads from a room to one that it imports">'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<g class="imports">{arrows}</g>{boxes}</svg>'
    )


def _wide(place: Place) -> int:
    return ACROSS if len(place) == 1 else BESIDE


def _line(way: list[Place], at: dict[Place, tuple[float, float]]) -> str:
    """Return the path of an arrow: straight past rooms, and bent between rows."""
    half = HEIGHT / 2
    x, y = at[way[0]]
    steps = [f"M{x:.0f} {y + half:.0f}"]
    for one, other in pairwise(way):
        (x, y), (to_x, to_y) = at[one], at[other]
        last = 4 if other == way[-1] else 0
        y, to_y = y + half, to_y - half - last
        middle = (y + to_y) / 2
        steps.append(f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}")
        if other != way[-1]:
            steps.append(f"V{to_y + HEIGHT:.0f}")
    return "".join(steps)


def _box(room: str, x: float, y: float) -> str:
    name = f"{room}/" if (ROOT / PACKAGE / room).is_dir() else f"{room}.py"
    return (
        f"<g><title>{escape(told(room))}</title>"
        f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="5"/><text x="{x:.0f}" y="{y + 4:.0f}">{name}</text></g>'
    )
