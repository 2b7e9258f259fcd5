"""The tables of the benchmark on a GPU, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_run import NOT_REACHED, Row

CHECKS = ("agreement", "promises")
"""Parts whose rows say whether something holds."""

SPEEDS = ("ceiling", "rollouts", "environments", "updates", "mjx")
"""Parts whose rows are speeds at so many environments at once."""

SHARED = ("rollouts", "environments")
"""Parts whose speeds have a share of the ceiling."""

TITLES = {"updates": "windows for each member in an update", "": "environments at once"}


def report(about: Mapping[str, Any], rows: Sequence[Row], bad: Sequence[Row]) -> str:
    """Return all tables, and what is wrong first."""
    lines = [", ".join(f"{name} {value}" for name, value in about.items()) + ".", ""]
    late = sum(row.get("failure") == NOT_REACHED for row in rows)
    lines.append(f"**{len(bad)} pieces are wrong.**" if bad else "All that was tested holds.")
    lines.append(f"{late} of {len(rows)} pieces were not reached in time.")
    lines += ["", *(f"- {describe(row)}" for row in bad)] if bad else []
    checks = [row for row in rows if row["part"] in CHECKS]
    sections = [
        ("What the device can do", figures([row for row in rows if "unit" in row])),
        ("Agreement", agreement(checks)),
        ("Speeds", speeds([row for row in rows if row["part"] in SPEEDS])),
        ("Evaluation", plain([row for row in rows if row["part"] == "evaluations"])),
        ("Training", plain([row for row in rows if row["part"] == "learning"])),
    ]
    for title, section in sections:
        if section:
            lines += ["", f"## {title}", "", *section]
    return "\n".join(lines) + "\n"


def describe(row: Row) -> str:
    """Say in one line what a row is of, and what is wrong with it."""
    named = [f"{row[name]}" for name in ("part", "model", "what", "how", "envs") if name in row]
    reason = row.get("failure") or f"off by {shown(row.get('off', 'what was promised'))}"
    return f"{', '.join(named)}: {reason}"


def figures(rows: Sequence[Row]) -> list[str]:
    """Lay out single figures with their units."""
    return table(
        ("", "measured"),
        [
            (row["what"], row.get("failure") or f"{row['figure']:,.4g} {row['unit']}")
            for row in rows
        ],
    )


def agreement(rows: Sequence[Row]) -> list[str]:
    """Lay out, for each model, how far each piece is off."""
    pieces = list(dict.fromkeys(row["what"] for row in rows if "model" in row))
    lines: list[str] = []
    for part in CHECKS:
        own = [row for row in rows if row["part"] == part and "model" in row]
        models = list(dict.fromkeys(row["model"] for row in own))
        cells = {(row["what"], row["model"]): verdict(row) for row in own}
        kept = [what for what in pieces if any((what, model) in cells for model in models)]
        filled = [[what, *(cells.get((what, model), "") for model in models)] for what in kept]
        lines += ["", *table((part, *models), filled)] if filled else []
    return lines[1:]


def verdict(row: Row) -> str:
    """Say whether a piece holds, how far it is off, and how far rounding alone is."""
    if "failure" in row:
        return str(row["failure"])
    off = f" {row['off']:.1g}" if "off" in row else ""
    off += f" ({row['rounding']:.1g})" if row.get("rounding") else ""
    return ("yes" if row["good"] else "**NO**") + off


def speeds(rows: Sequence[Row]) -> list[str]:
    """Lay out speeds over the number of environments, with their share of the ceiling."""
    ceilings = {
        (row["how"].rpartition(", ")[2], row["envs"]): row["speed"]
        for row in rows
        if row["part"] == "ceiling" and "speed" in row
    }
    lines: list[str] = []
    for what in dict.fromkeys(row["what"] for row in rows if "envs" in row):
        own = [row for row in rows if row["what"] == what and "envs" in row]
        counts = sorted({row["envs"] for row in own})
        cells = {}
        for row in own:
            cell = row.get("failure") or shown(row["speed"])
            top = ceilings.get((row["how"].rpartition(", ")[2], row["envs"]))
            if top and "speed" in row and row["part"] in SHARED:
                cell += f" ({row['speed'] / top:.0%})"
            cells[row["how"], row["envs"]] = cell
        head = f"{what}, {TITLES.get(own[0]['part'], TITLES[''])}"
        filled = [
            [how, *(cells.get((how, count), "") for count in counts)]
            for how in dict.fromkeys(row["how"] for row in own)
        ]
        lines += ["", *table((head, *(f"{count:,}" for count in counts)), filled)]
    return lines[1:]


def plain(rows: Sequence[Row]) -> list[str]:
    """Lay rows out with all that they hold."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "part"))
    return table(names, [[shown(row.get(name, "")) for name in names] for row in rows])


def shown(value: Any) -> str:
    """Write a figure with three digits, and all else as it is."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else ("yes" if value else "**NO**")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {shown(own)}" for name, own in value.items())
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; none without rows."""
    if not rows:
        return []
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return lines + ["| " + " | ".join(row) + " |" for row in cells]
