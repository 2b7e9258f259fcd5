"""What is known of episodes beside their observations, as Gymnasium's `infos` and in numpy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.envs.step import Columns

Array = NDArray[Any]

PART = re.compile(r"(?P<name>.+)\[(?P<place>\d+(,\d+)*)\]")
"""What a number of an array is called, among infos that are numbers: "force[0]", "pose[1,2]"."""


def gathered(stepped: Columns, first: Columns, begun: Tensor) -> Columns:
    """Return the infos of episodes of which some took a step and the others began.

    As in Gymnasium, the mask `_name` tells which episodes have a `name`; the others have 0. Nothing
    in it shares memory with `first`.

    Args:
        stepped: (batch) each, what is known of a step.
        first: (batch) each, what is known of an episode that begins.
        begun: (batch) bool, which ones began.
    """
    others = ~begun
    everyone = torch.ones_like(begun)
    infos = {}
    for name in {**stepped, **first}:
        if name not in first:
            infos[name], mask = stepped[name].masked_fill(begun, 0), others
        elif name not in stepped:
            infos[name], mask = first[name].masked_fill(others, 0), begun
        else:
            infos[name], mask = torch.where(begun, first[name], stepped[name]), everyone
        infos[f"_{name}"] = mask
    return infos


def everyones(stepped: Columns) -> Columns:
    """Return the infos of episodes that all took a step; see `gathered`."""
    if not stepped:
        return {}
    everyone = torch.ones_like(next(iter(stepped.values())), dtype=torch.bool)
    return {**stepped, **{f"_{name}": everyone for name in stepped}}


def finals(observation: Tensor, stepped: Columns, ended: Tensor, tensors: bool) -> dict[str, Any]:
    """Return the last observations and infos of the episodes that ended in a step.

    Args:
        observation: (batch, n), what the step reached.
        stepped: (batch) each, what is known of it.
        ended: (batch) bool, which ones ended.
        tensors: whether users get tensors. If not, others than these have no observation.
    """
    info: dict[str, Any] = gathered(stepped, {}, ~ended)
    if tensors:
        last: Any = observation
        masks: tuple[Any, Any] = ended, ended.clone()
    else:
        every, info = to_host(observation, info)
        mask = ended.cpu().numpy()
        last, masks = np.full(len(mask), None, dtype=object), (mask, mask.copy())
        for index, row in zip(mask.nonzero()[0], every[mask], strict=True):
            last[index] = row
    return {
        "final_obs": last,
        "_final_obs": masks[0],
        "final_info": regrouped(info),
        "_final_info": masks[1],
    }


@lru_cache(maxsize=256)
def _arrays_of(names: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Find names of numbers that are parts of an array: which array's, in order, and its shape."""
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name in names:
        if part := PART.fullmatch(name):
            place = tuple(int(index) for index in part["place"].split(","))
            found.setdefault(part["name"], []).append((name, place))
    return {
        name: (
            tuple(each for each, _ in parts),
            tuple(1 + max(indices) for indices in zip(*(place for _, place in parts), strict=True)),
        )
        for name, parts in found.items()
    }


def regrouped(infos: dict[str, Any]) -> dict[str, Any]:
    """Return infos in which the parts of arrays, such as "force[0]", are arrays again.

    Parts of masks, "_force[0]", are all alike, and become one.
    """
    arrays = _arrays_of(tuple(infos))
    if not arrays:
        return infos
    parts = {each for names, _ in arrays.values() for each in names}
    rest = {name: value for name, value in infos.items() if name not in parts}
    for name, (names, shape) in arrays.items():
        values = [infos[each] for each in names]
        if name.startswith("_") and name[1:] in arrays:
            rest[name] = values[0]
        elif isinstance(values[0], Tensor):
            rest[name] = torch.stack(values, -1).reshape((*values[0].shape, *shape))
        else:
            rest[name] = np.stack(values, -1).reshape((*np.shape(values[0]), *shape))
    return rest


def somebodys(infos: dict[str, Array]) -> dict[str, Array]:
    """Return the infos without those that no episode has; see `gathered`."""
    nobodys = {name for name in infos if f"_{name}" in infos and not infos[f"_{name}"].any()}
    nobodys |= {f"_{name}" for name in nobodys}
    return {name: column for name, column in infos.items() if name not in nobodys}


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
