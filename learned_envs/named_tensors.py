"""Tensors by name, as a file of weights holds them: which are finite, and what tells them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch

BOUNDS = ("low", "high")
"""The tensors that may be infinite end in one of these: a range that has no end."""

SHOWN = 5
"""Names of tensors that a message lists."""


def non_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the names of the tensors of a model that are not as finite as they have to be.

    Only bounds, whose names end in "low" and "high", may be infinite: each towards its own side.
    """

    def good(name: str, tensor: torch.Tensor) -> bool:
        finite = tensor.isfinite()
        if name.endswith(BOUNDS):
            finite |= tensor == (-torch.inf if name.endswith("low") else torch.inf)
        return bool(finite.all())

    return [name for name, tensor in tensors.items() if not good(name, tensor)]


def some(names: Sequence[str]) -> str:
    """Return the first names of many, as text."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the sha256 of tensors: of their names and all that is in them."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
