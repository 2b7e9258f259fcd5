"""Errors that say which line of an environment stops its rules from being traced."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

from learned_envs.errors import UntraceableRulesError

RAISED: list[UntraceableRulesError] = []
"""Refusals since the code was last begun: it may have caught them, and gone another way."""

OURS = ("learned_envs.rules.tracing", "numpy", "contextlib", "importlib", "copy")
"""Modules that stand between a line of the environment and what it asks for."""


def refusal(what: str, instead: str) -> UntraceableRulesError:
    """Return the error about the line of the environment that is running.

    Args:
        what: what cannot be traced.
        instead: what would help.
    """
    place, line = where()
    RAISED.append(error := _refusal(what, instead, place, line))
    return error


def _refusal(what: str, instead: str, place: str, line: str) -> UntraceableRulesError:
    code = f", `{line}`" if line else ""
    return UntraceableRulesError(f"{place}{code}: got {what}. To have it traced, {instead}.", place)


def where(frame: FrameType | None = None) -> tuple[str, str]:
    """Return file:line of the innermost frame that is the environment's, and its code."""
    frame = frame or sys._getframe(1)
    while frame is not None and foreign(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    if frame is None:
        return "an unknown line", ""
    file, number = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{number}", linecache.getline(file, number).strip()


def foreign(module: str) -> bool:
    """Whether a module is ours or numpy's."""
    return any(module == name or module.startswith(f"{name}.") for name in OURS)
