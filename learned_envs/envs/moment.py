"""Many episodes at one moment: how restarted ones are merged in, and how they are handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.state import State

Array = NDArray[Any]

Columns = dict[str, Tensor]
"""What is known of each episode, (batch) each, by name."""


@dataclass(frozen=True)
class Moment:
    """Where all the episodes are at one moment.

    Attributes:
        state: of the systems.
        observation: (num_envs, n) of that state.
        info: what is known beside it, (num_envs) each. As in Gymnasium's `infos`, the mask
            `_name` tells which episodes have a `name`; the others have 0.
        elapsed: (num_envs) int64, steps since the episodes began.
    """

    state: State
    observation: Tensor
    info: Columns
    elapsed: Tensor

    def where(self, mask: Tensor, other: Moment) -> Moment:
        """Take this moment for the episodes in `mask` and `other` for the rest."""
        return Moment(
            self.state.where(mask, other.state),
            torch.where(mask[:, None], self.observation, other.observation),
            select(mask, self.info, other.info),
            torch.where(mask, self.elapsed, other.elapsed),
        )


def select(mask: Tensor, ours: Columns, theirs: Columns) -> Columns:
    """Take `ours` for the episodes in `mask` and `theirs` for the rest, 0 where it lacks a name."""
    merged = {}
    for name, value in {**theirs, **ours}.items():
        missing = torch.zeros_like(value)
        merged[name] = torch.where(mask, ours.get(name, missing), theirs.get(name, missing))
    return merged


def given(info: Columns) -> Columns:
    """Return `info` with the masks that say that every episode has its info."""
    masks = {f"_{name}": torch.ones_like(value, dtype=torch.bool) for name, value in info.items()}
    return {**info, **masks}


def to_host(observation: Tensor, columns: Mapping[str, Tensor]) -> tuple[Array, dict[str, Array]]:
    """Copy observations (batch, n) and named columns (batch) to numpy, in one transfer.

    Returns:
        Fresh arrays: float64, and bool for columns that are.
    """
    size = observation.numel()
    packed = torch.cat([observation.flatten(), *columns.values()]).to("cpu", torch.float64).numpy()
    rows = packed[size:].reshape(len(columns), len(observation))
    named = {
        name: row.astype(np.bool_) if column.dtype is torch.bool else row
        for (name, column), row in zip(columns.items(), rows, strict=True)
    }
    # A copy, so that a user who keeps observations does not keep all that came with them.
    return packed[:size].reshape(observation.shape).copy(), named
