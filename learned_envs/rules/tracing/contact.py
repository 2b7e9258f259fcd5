"""Contacts in a step: which pairs of geoms may touch, and what comes of it if they do.

The code of an environment loops over contacts, of which there are more and fewer. So it is traced
with given ones: with none, with each pair alone, and with all sets of those pairs that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import mujoco
import numpy as np

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.tracing.refusal import refusal

MOST_GROUPS = 6
"""Of pairs that do the same: the step is traced with every set of them."""

Pair = tuple[int, int]
Outputs = dict[str, int]


class Contact:
    """One contact: which geoms touch."""

    def __init__(self, pair: Pair) -> None:
        self.geom1, self.geom2 = pair

    @property
    def geom(self) -> Any:
        """Both geoms."""
        return np.array([self.geom1, self.geom2], dtype=np.int32)

    def __getattr__(self, name: str) -> Any:
        raise _refused(name)


class ContactList:
    """Stands for `data.contact`."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = list(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Contact]:
        return map(Contact, self._pairs)

    def __getitem__(self, key: Any) -> Any:
        return (
            ContactList(self._pairs[key]) if isinstance(key, slice) else Contact(self._pairs[key])
        )

    @property
    def geom(self) -> Any:
        """(contacts, 2): both geoms of each."""
        return np.array(self._pairs, dtype=np.int32).reshape(-1, 2)

    @property
    def geom1(self) -> Any:
        """(contacts,): the first geom of each."""
        return self.geom[:, 0]

    @property
    def geom2(self) -> Any:
        """(contacts,): the second geom of each."""
        return self.geom[:, 1]

    def __getattr__(self, name: str) -> Any:
        raise _refused(name)


def possible_pairs(model: mujoco.MjModel) -> list[Pair]:
    """Return the pairs of geoms that MuJoCo tests for contacts, those of a simpler type first."""
    pairs = set()
    types, affine = model.geom_contype, model.geom_conaffinity
    weld = model.body_weldid
    parent = weld[model.body_parentid[weld]]
    excluded = set(map(int, model.exclude_signature))
    filtered = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT
    for first, second in combinations(range(model.ngeom), 2):
        bodies = [int(model.geom_bodyid[geom]) for geom in (first, second)]
        welded = [int(weld[body]) for body in bodies]
        related = welded[0] == parent[bodies[1]] or welded[1] == parent[bodies[0]]
        if not types[first] & affine[second] and not types[second] & affine[first]:
            continue
        if welded[0] == welded[1] or (filtered and all(welded) and related):
            continue
        if (min(bodies) << 16) + max(bodies) not in excluded:
            pairs.add((first, second))
    pairs |= {
        (min(pair), max(pair))
        for pair in zip(model.pair_geom1.tolist(), model.pair_geom2.tolist(), strict=True)
    }
    kinds = model.geom_type.tolist()
    return [(x, y) if (kinds[x], x) < (kinds[y], y) else (y, x) for x, y in sorted(pairs)]


def touch_name(model: mujoco.MjModel, pair: Pair) -> str:
    """Return the input that says whether two geoms touch, without its stage."""
    return "touch." + ".".join(sorted(model.geom(geom).name or str(geom) for geom in pair))


def over_contacts(
    builder: GraphBuilder,
    model: mujoco.MjModel,
    prefix: str,
    outcome: Callable[[Sequence[Pair]], Outputs],
    choose: Callable[[int, Outputs, Outputs], Outputs],
    pairs: Sequence[Pair] | None = None,
) -> Outputs:
    """Return the outputs of a step for all contacts that there may be.

    Args:
        builder: of the graph.
        model: of which there are contacts.
        prefix: of the inputs.
        outcome: the outputs with given contacts.
        choose: from a condition and what comes if it holds, and if not.
        pairs: that may touch; all those that MuJoCo tests, if None.

    Raises:
        UntraceableRulesError: if the number or the order of contacts matters, or too many pairs do.
    """
    none = outcome([])
    alone = {pair: outcome([pair]) for pair in (pairs or possible_pairs(model))}
    groups: list[list[Pair]] = []
    for pair, outputs in alone.items():
        if outputs == none:
            continue
        if outcome([pair, pair]) != outputs:
            raise _counted(model, [pair])
        same = next((group for group in groups if alone[group[0]] == outputs), None)
        if same is not None and outcome([same[0], pair]) == outputs:
            same.append(pair)
        else:
            groups.append([pair])
    if len(groups) > MOST_GROUPS:
        names = ", ".join(touch_name(model, group[0]) for group in groups)
        raise UntraceableRulesError(
            f"Got a step on which {len(groups)} sorts of contacts act differently ({names}), "
            f"expected at most {MOST_GROUPS}. Read touch sensors or data.cfrc_ext instead."
        )
    first = [group[0] for group in groups]
    if outcome(first) != outcome(first[::-1]):
        raise _counted(model, first)

    def settled(place: int, touching: list[Pair]) -> Outputs:
        if place == len(groups):
            return outcome(touching)
        conditions = [
            builder.cast(builder.input(f"{prefix}.{touch_name(model, pair)}", ()), "bool")
            for pair in groups[place]
        ]
        any_of = conditions[0]
        for condition in conditions[1:]:
            any_of = builder.add("bitwise_or", any_of, condition)
        yes = settled(place + 1, [*touching, first[place]])
        return choose(any_of, yes, settled(place + 1, touching))

    return settled(0, [])


def _counted(model: mujoco.MjModel, pairs: Sequence[Pair]) -> UntraceableRulesError:
    names = ", ".join(touch_name(model, pair) for pair in pairs)
    return UntraceableRulesError(
        f"Got a step that depends on the number or the order of contacts ({names}), expected "
        "one that depends on whether geoms touch. Ask whether any contact is one of them, or read "
        "touch sensors or data.cfrc_ext."
    )


def _refused(name: str) -> UntraceableRulesError | AttributeError:
    if name.startswith("__"):
        return AttributeError(name)
    return refusal(
        f"{name} of a contact",
        "ask which geoms touch, or read touch sensors, force sensors or data.cfrc_ext",
    )
