"""What a look at recordings finds: how bad it is, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "mended", "note"]
"""A fit would be wrong; it may be worse; it is put right on the way in; it is worth knowing."""

ORDER: tuple[Level, ...] = ("error", "warning", "mended", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: how bad it is.
        channel: what it is about, such as a column; "" if all.
        what: a sentence.
        advice: what to do; "" if nothing.
    """

    level: Level
    channel: str
    what: str
    advice: str = ""

    @property
    def told(self) -> str:
        """The finding in a line."""
        where = f"{self.channel}: " if self.channel else ""
        return f"{self.level}: {where}{self.what}" + (f"; {self.advice}" if self.advice else "")


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """Return findings, those that make a fit wrong first."""
    return sorted(found, key=lambda finding: ORDER.index(finding.level))
