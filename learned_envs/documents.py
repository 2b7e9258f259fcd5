"""What the commands print as JSON: the figures that they show on a terminal, under stable names.

`docs/command_line.md` says what each name means, and its unit.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learned_envs import registry
from learned_envs.errors import CheckpointError, WeightsNotShippedError
from learned_envs.schema import Plain
from learned_envs.terminal import SHOWN

if TYPE_CHECKING:
    from learned_envs.card import Card
    from learned_envs.evaluation.report import Report
    from learned_envs.rules.rules import Rules


@contextmanager
def document() -> Iterator[Plain]:
    """Hand out a dictionary, and print it as JSON once the block has filled it.

    What else is printed in the block, such as by a user's own environment, goes to stderr. Nothing
    is printed if the block raises.
    """
    told: Plain = {}
    with redirect_stdout(sys.stderr):
        yield told
    print(json.dumps(finite(told), indent=2, allow_nan=False))


def finite(value: Any) -> Any:
    """Return plain data with None in place of each number that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(name): finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def tasks_document() -> Plain:
    """Return all tasks, what is known of their weights, and the model families."""
    return {
        "tasks": [_task(name) for name in registry.TASKS],
        "families": list(registry.FAMILIES),
        "default_family": registry.DEFAULT_FAMILY,
    }


def card_document(card: Card, path: Path) -> Plain:
    """Return what is shown of a card, and the file that it stands in."""
    from learned_envs.evaluation.report import Report

    return {
        "file": str(path),
        "environment": card.environment,
        "modelled_on": card.modelled_on,
        "rules": _rules(card.rules) if card.reference else None,
        "notes": list(card.notes or ()),
        "family": card.family,
        "members": card.members,
        "options": card.config,
        **{name: card.plain.get(name) for name in SHOWN},
        "held_out": report_document(Report.of(card.held_out)) if card.held_out else None,
    }


def report_document(report: Report) -> Plain:
    """Return a report's errors, and what they say of the model."""
    verdicts = report.verdicts()
    return {
        **report.to_dict(),
        "model_over_hold": report.times_hold(),
        "model_over_twin": report.times_the_twin(),
        "close": [verdicts.get(horizon) for horizon in report.horizons],
        "beats_hold": report.beats_hold,
    }


def _task(name: str) -> Plain:
    """Return one task. It has weights, or none, or an error says what is wrong with them."""
    from learned_envs.card import read_card

    identity = registry.env_id(name)
    told: Plain = {"task": name, "environment": identity, "weights": None, "error": None}
    try:
        card = read_card(identity)
    except WeightsNotShippedError:
        return told
    except CheckpointError as error:
        return {**told, "error": str(error)}
    held, returns = card.held_out, card.returns
    return {
        **told,
        "weights": {
            "family": card.family,
            "members": card.members,
            "real_steps": card.real_steps,
            "horizons": held.horizons if held else [],
            "median_error": held.curve("model").median if held else [],
            "beats_hold": held.beats_hold if held else None,
            "returns_inside": returns.inside if returns else [],
            "returns_outside": returns.outside if returns else [],
            "score": returns.score if returns else None,
        },
    }


def _rules(rules: Rules | None) -> Plain:
    """Return whose rules an environment has, and which of its outputs had to be learned."""
    if rules is None:
        return {"hosted": True, "learned": [], "errors": {}, "notes": []}
    return {
        "hosted": False,
        "learned": [name for name, how in rules.how().items() if "learned" in how],
        "errors": rules.learned,
        "notes": list(rules.notes),
    }
