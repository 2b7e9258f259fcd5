"""The constants of a compiled MuJoCo model that its physics depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from learned_envs.systems.slot import MODEL
from learned_envs.systems.spec import Leaf

Array = np.ndarray[Any, Any]

LOOKS = (
    *("cam_", "light_", "mat_", "tex_", "text_", "skin_", "name_", "names_", "key_", "tuple_"),
    *("site_rgba", "site_matid", "geom_rgba", "geom_matid", "geom_group"),
)
"""What the names of constants begin with that only pictures, names and keyframes are made of."""


def constants_of(model: mujoco.MjModel, most: int | None = None) -> dict[str, Array]:
    """Return copies of a model's constants by name; those of its options begin with "opt.".

    Args:
        model: MuJoCo's.
        most: how many numbers an array may have at most to be among them; None for any.
    """
    found: dict[str, Array] = {}
    for prefix, owner in (("", model), ("opt.", model.opt)):
        for name in dir(owner):
            if name.startswith(("_", *LOOKS)):
                continue
            value = getattr(owner, name)
            small = most is None or np.size(value) <= most
            if isinstance(value, np.ndarray | int | float) and small:
                found[prefix + name] = np.array(value)
    return found


def different(
    before: Mapping[str, Array], after: Mapping[str, Array], leaves: Sequence[Leaf] = ()
) -> list[str]:
    """Return the names of the constants that two models do not share.

    Args:
        before: of one model.
        after: of the other.
        leaves: of the state; what resets draw is no constant.
    """
    drawn = {leaf.name.removeprefix(MODEL).partition("[")[0] for leaf in leaves}
    return [
        name
        for name in sorted(before.keys() | after.keys())
        if name not in drawn
        and not (
            before.keys() & after.keys() & {name}
            # The normals of degenerate faces of meshes are no numbers.
            and np.array_equal(before[name], after[name], equal_nan=True)
        )
    ]
