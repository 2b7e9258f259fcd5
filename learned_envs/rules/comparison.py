"""What comparing rules with the real environment found."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from learned_envs.schema import LARGEST, Count

Error = Annotated[float, Meta(ge=0, le=LARGEST)]
"""Largest difference; `LARGEST` also where one of the two was no number."""

Times = Annotated[int, Meta(ge=0)]


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules against the real environment, given the real next states.

    Attributes:
        steps: how many were compared.
        ends: after how many of them the real environment terminated.
        observation: largest difference of each column.
        reward: largest difference.
        terminated: in how many steps they differ.
        truncated: in how many steps they differ.
        infos: largest difference of each info that the rules have.
        memory: largest difference of each leaf that the rules advance.
        missing: infos that the environment gives and the rules do not.
    """

    steps: Count
    ends: Times
    observation: tuple[Error, ...]
    reward: Error
    terminated: Times
    truncated: Times
    infos: dict[str, Error] = {}
    memory: dict[str, Error] = {}
    missing: tuple[str, ...] = ()

    def exact(self, tolerance: float = 1e-6) -> bool:
        """Return whether nothing differs by more than a tolerance."""
        errors = (*self.observation, self.reward, *self.infos.values(), *self.memory.values())
        return not (self.terminated or self.truncated) and max(errors, default=0.0) <= tolerance
