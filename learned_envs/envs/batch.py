"""Many episodes at one moment: how restarted ones are merged in, and how they are handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.state import State, leaves, rebuilt

Array = NDArray[Any]

Columns = dict[str, Tensor]
"""What is known of each episode, (batch) each, by name."""


@dataclass(frozen=True)
class EpisodeBatch:
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

    def __getitem__(self, rows: slice) -> EpisodeBatch:
        """Take some of the episodes."""
        part: EpisodeBatch = rebuilt(self, (tensor[rows] for tensor in leaves(self)))
        return part

    def where(self, mask: Tensor, other: EpisodeBatch) -> EpisodeBatch:
        """Take this moment for the episodes in `mask` and `other` for the rest."""
        return EpisodeBatch(
            self.state.where(mask, other.state),
            torch.where(mask[:, None], self.observation, other.observation),
            select(mask, self.info, other.info),
            torch.where(mask, self.elapsed, other.elapsed),
        )

    def put(self, rows: Tensor, other: EpisodeBatch) -> EpisodeBatch:
        """Take `other`, of as many episodes as `rows` (k) names, for those, and this for the rest.

        It is `where` for a few episodes, at a fraction of the cost: all but the info, which may
        share memory with the state, is overwritten.
        """
        kept, new = self.state, other.state
        tensors = (
            (kept.q, new.q),
            (kept.v, new.v),
            (self.observation, other.observation),
            (self.elapsed, other.elapsed),
            *((value, new.memory.get(name)) for name, value in kept.memory.items()),
        )
        for ours, theirs in tensors:
            if theirs is None:
                ours.index_fill_(0, rows, 0)
            else:
                ours.index_copy_(0, rows, theirs)
        info: Columns = {}
        done: dict[tuple[int, int], Tensor] = {}
        for name in {**self.info, **other.info}:
            column, begun = self.info.get(name), other.info.get(name)
            # Many share a column: the masks above all.
            key = id(column), id(begun)
            if key not in done:
                done[key] = _put(column, rows, begun, self.elapsed)
            info[name] = done[key]
        return replace(self, info=info)


def _put(ours: Tensor | None, rows: Tensor, theirs: Tensor | None, like: Tensor) -> Tensor:
    """Return a column with another, or zeros, at some rows, and zeros where it is not there."""
    if theirs is None:
        assert ours is not None
        return ours.index_fill(0, rows, 0)
    if ours is None:
        ours = torch.zeros_like(like, dtype=theirs.dtype)
    return ours.index_copy(0, rows, theirs)


def select(mask: Tensor, ours: Columns, theirs: Columns) -> Columns:
    """Take `ours` for the episodes in `mask` and `theirs` for the rest, 0 where it lacks a name."""
    merged, others = {}, ~mask
    for name in {**theirs, **ours}:
        if name not in theirs:
            merged[name] = ours[name].masked_fill(others, 0)
        elif name not in ours:
            merged[name] = theirs[name].masked_fill(mask, 0)
        else:
            merged[name] = torch.where(mask, ours[name], theirs[name])
    return merged


def given(info: Columns) -> Columns:
    """Return `info` with the masks that say that every episode has its info."""
    if not info:
        return info
    everyone = torch.ones_like(next(iter(info.values())), dtype=torch.bool)
    return {**info, **{f"_{name}": everyone for name in info}}


def to_host(observation: Tensor, columns: Mapping[str, Tensor]) -> tuple[Array, dict[str, Array]]:
    """Copy observations (batch, n) and named columns (batch) to numpy, in two transfers.

    Returns:
        Fresh arrays: float64, and bool for columns that are.
    """
    flags = {name: column for name, column in columns.items() if column.dtype is torch.bool}
    numbers = {name: column for name, column in columns.items() if name not in flags}
    size, batch = observation.numel(), len(observation)
    packed = torch.cat([observation.flatten(), *numbers.values()]).to("cpu", torch.float64).numpy()
    named = dict(zip(numbers, packed[size:].reshape(len(numbers), batch), strict=True))
    if flags:
        host = torch.cat(list(flags.values())).cpu().numpy()
        named |= dict(zip(flags, host.reshape(len(flags), batch), strict=True))
    # A copy, so that a user who keeps observations does not keep all that came with them.
    return packed[:size].reshape(observation.shape).copy(), named
