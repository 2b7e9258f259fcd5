"""Whether what was recorded is of the system that it is meant for."""

from __future__ import annotations

from learned_envs.errors import DatasetError
from learned_envs.systems.difference import known_differences
from learned_envs.systems.spec import SystemSpec

SHOWN = 4
"""Differences that a message names, at most."""


def expect_system(got: SystemSpec, expected: SystemSpec, where: str) -> None:
    """Check that two specs say the same.

    Args:
        got: what was recorded.
        expected: what it is meant for.
        where: how the message names what was recorded.

    Raises:
        DatasetError: if they do not; it names what differs.
    """
    if got == expected:
        return
    found = known_differences(got, expected)
    if not found:
        return
    named = ", ".join(f"{name} is {one}, expected {other}" for name, one, other in found[:SHOWN])
    more = f", and {len(found) - SHOWN} more differ" if len(found) > SHOWN else ""
    raise DatasetError(
        f"{where} is of another system than {expected.reference_id} here: {named}{more}. Record "
        "it with the same MJCF, frame_skip and options, or keep it in a dataset of its own."
    )
