"""Which shapes of a real system meet, and what messages call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import mujoco
import numpy as np
import numpy.typing as npt

from learned_envs.systems.geom import CONVEX
from learned_envs.systems.spec import SystemSpec

UNSEEN = 0.05
"""Share of the contacts that may be without features. Gymnasium's environments have none, but for
those of a body with itself."""

Pair = tuple[int, int]

Array = npt.NDArray[np.int64]


def unseen_contacts(model: mujoco.MjModel, spec: SystemSpec, contacts: Iterable[Pair]) -> str:
    """Say which contacts no feature of models shows; nothing if they are few.

    Contacts between shapes of one tree of bodies are left out: q says where these are.

    Args:
        model: MuJoCo's.
        spec: says which shapes models see.
        contacts: pairs of geoms; -1 is a flexible body.
    """
    ground = {
        index
        for index, geom in enumerate(spec.geoms)
        if geom.kind == "plane" and geom.body == 0 and geom.touches
    }
    shown = {i for i, geom in enumerate(spec.geoms) if geom.kind in CONVEX}
    unseen: Counter[Pair] = Counter()
    total = 0
    for pair in contacts:
        if min(pair) >= 0 and tree_of(model, pair[0]) == tree_of(model, pair[1]):
            continue
        total += 1
        if not any(one in ground | shown and other in shown for one, other in (pair, pair[::-1])):
            unseen[pair] += 1
    if unseen.total() <= UNSEEN * total:
        return ""
    often = [" with ".join(_named(model, g) for g in pair) for pair, _ in unseen.most_common(3)]
    return f"{unseen.total()} of {total} contacts, {', '.join(often)},"


def met_joints(model: mujoco.MjModel) -> set[int]:
    """Return the joints of bodies that move apart from each other and can collide."""
    met = {tree_of(model, geom) for pair in _apart(model) for geom in pair}
    return {i for i in range(model.njnt) if model.body_rootid[model.jnt_bodyid[i]] in met}


def trees_that_meet(model: mujoco.MjModel) -> str:
    """Name two shapes of bodies that move apart from each other and can collide, if there are."""
    for one, other in _apart(model):
        return f"{_named(model, one)} and {_named(model, other)}"
    return ""


def _apart(model: mujoco.MjModel) -> Array:
    """Return the pairs of geoms that can collide and move apart from each other, (n, 2)."""
    trees = np.array([tree_of(model, geom) for geom in range(model.ngeom)], dtype=int)
    meets = (model.geom_contype[:, None] & model.geom_conaffinity) != 0
    apart = (trees[:, None] != trees) & (trees[:, None] > 0) & (trees > 0)
    return np.argwhere((meets | meets.T) & apart)


def tree_of(model: mujoco.MjModel, geom: int) -> int:
    """Return the body below the world that a geom hangs on; 0 for what is fixed to the world."""
    body = model.geom_bodyid[geom]
    return int(model.body_rootid[body]) if model.body_weldid[body] else 0


def _named(model: mujoco.MjModel, geom: int) -> str:
    if geom < 0:
        return "a flexible body"
    name, body = model.geom(geom).name, model.body(model.geom_bodyid[geom]).name
    kind = mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
    return f"{kind} {name!r}" if name else f"{kind} of {body!r}"
