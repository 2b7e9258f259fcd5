"""Constants of an MJCF of which a reset may draw some, so that they are leaves of the state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.links import double, register_constants

Leaves = Mapping[str, Tensor]
"""What belongs to the state beside q and v: (*batch, size) each, by name."""

_NAME = re.compile(r"model\.(?P<array>[\w.]+)(?:\[(?P<first>\d+)(?::(?P<last>\d+))?\])?")


class Drawn(NamedTuple):
    """A part of one of the model's arrays that a leaf gives.

    Attributes:
        leaf: its name, such as "model.body_pos[5]".
        first: its first row.
        last: the row behind its last; None for all rows from the first on.
    """

    leaf: str
    first: int = 0
    last: int | None = None

    def rows(self, count: int) -> range:
        """Return its rows, in an array of so many."""
        return range(count)[self.first : self.last]


class DrawnConstants:
    """Which constants of the model are leaves of the state."""

    def __init__(self, leaves: Iterable[str]) -> None:
        """Read the names of leaves: "model.ARRAY", "model.ARRAY[5]" or "model.ARRAY[5:8]".

        Raises:
            ParameterError: if a name that begins with "model." is none of these.
        """
        self._drawn: dict[str, list[Drawn]] = {}
        for leaf in leaves:
            found = _NAME.fullmatch(leaf)
            if found is None:
                if leaf.startswith("model."):
                    raise ParameterError(
                        f"Got the leaf {leaf!r}, expected model.ARRAY, model.ARRAY[5] or "
                        "model.ARRAY[5:8]."
                    )
                continue
            first = int(found["first"] or 0)
            last = first + 1 if found["first"] else None
            last = int(found["last"]) if found["last"] else last
            self._drawn.setdefault(found["array"], []).append(Drawn(leaf, first, last))

    def of(self, array: str) -> list[Drawn]:
        """Return the leaves that give a part of an array."""
        return self._drawn.get(array, [])

    def rows(self, array: str, count: int) -> set[int]:
        """Return the rows of an array, of so many, that leaves give a part of."""
        rows: set[int] = set()
        for drawn in self.of(array):
            rows.update(drawn.rows(count))
        return rows

    def refuse(self, *arrays: str) -> None:
        """Refuse to go on if a leaf gives a part of one of these arrays.

        Raises:
            ParameterError: if one does.
        """
        for array in arrays:
            for drawn in self.of(array):
                raise ParameterError(
                    f"Got {drawn.leaf}, which changes between episodes, and a quantity that "
                    f"depends on it. Expected {array} to be constant here; leave it as it is "
                    "at resets, or let the rules not read the quantity."
                )


class Table(nn.Module):
    """Some rows of one of the model's arrays."""

    values: Tensor
    order: Tensor

    def __init__(
        self,
        drawn: DrawnConstants,
        array: str,
        values: Iterable[Iterable[float]],
        rows: Iterable[int] | None = None,
    ) -> None:
        """Lay out an array's rows.

        Args:
            drawn: says which numbers are leaves.
            array: its name in MuJoCo's model.
            values: all of its rows.
            rows: those that are asked for, in their order; None asks for all.
        """
        super().__init__()
        table = double([list(row) for row in values])
        rows = range(len(table)) if rows is None else list(rows)
        place = torch.arange(table.numel()).reshape(table.shape)
        self._leaves: list[str] = []
        count = table.numel()
        for part in drawn.of(array):
            own = part.rows(len(table))
            if not {*own} & {*rows}:
                continue
            covered = place[own.start : own.stop]
            size = covered.numel()
            place[own.start : own.stop] = torch.arange(count, count + size).reshape(covered.shape)
            self._leaves.append(part.leaf)
            count += size
        register_constants(self, values=table[list(rows)], order=place[list(rows)].flatten())
        if self._leaves:
            register_constants(self, values=table)
        self._shape = (len(list(rows)), *table.shape[1:])

    @property
    def constant(self) -> bool:
        """Whether no leaf gives a part of it."""
        return not self._leaves

    def forward(self, leaves: Leaves) -> Tensor:
        """Return the rows: (n, size), or (*batch, n, size) if leaves give some."""
        if not self._leaves:
            return self.values
        given = [leaves[name] for name in self._leaves]
        batch = given[0].shape[:-1]
        known = self.values.flatten().expand(*batch, self.values.numel())
        pool = torch.cat([known, *given], -1).index_select(-1, self.order)
        return pool.reshape(*batch, *self._shape)
