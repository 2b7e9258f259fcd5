"""Which quantities some of MuJoCo's arrays are made of."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from learned_envs.kinematics.actuation import Actuation
from learned_envs.kinematics.anchor import Anchors
from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import register_constants
from learned_envs.kinematics.masses import AboutRoots, Subtrees, centers
from learned_envs.kinematics.mount import WORLD
from learned_envs.kinematics.placed import Fixture, Placed
from learned_envs.kinematics.tendon import Pushes, Routes, Tendons
from learned_envs.kinematics.transmission import SiteTransmission, Transmission
from learned_envs.kinematics.tree import Tree
from learned_envs.systems.equipment import Actuator, Equipment
from learned_envs.systems.spec import SystemSpec

M = TypeVar("M", bound=nn.Module)

Quantity = Callable[[Instant], Tensor]

POSES = {
    **{"xpos": ("xbody", "positions"), "xmat": ("xbody", "matrices")},
    **{"xquat": ("xbody", "quaternions"), "xipos": ("body", "positions")},
    **{"ximat": ("body", "matrices"), "xiquat": ("body", "quaternions")},
    **{
        f"{kind}_{array}": (kind, what)
        for kind in ("geom", "site")
        for array, what in (
            *(("xpos", "positions"), ("xmat", "matrices")),
            ("xquat", "quaternions"),
        )
    },
}
"""Arrays of poses: whose, and the method of `Placed` that gives them."""


CONSTANTS = (
    *("actuator_gainprm", "actuator_biasprm", "actuator_dynprm", "actuator_ctrlrange"),
    *("actuator_forcerange", "actuator_actrange", "actuator_lengthrange", "actuator_acc0"),
    *("jnt_actfrcrange", "tendon_actfrcrange"),
)
"""Arrays that forces depend on, and that have to be the same at all resets."""


class Plan:
    """Makes quantities for one system. What several need is made once.

    Attributes:
        spec: the system.
        equipment: what is mounted on it.
        tree: the links that the quantities need so far.
        modules: all that was made.
    """

    def __init__(self, spec: SystemSpec, equipment: Equipment, leaves: Iterable[str]) -> None:
        self.spec, self.equipment = spec, equipment
        self.tree = Tree(spec, equipment, leaves)
        self.modules = nn.ModuleList([self.tree])
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], M]) -> M:
        """Return what `make` makes, or what it made for the same key."""
        if key not in self._made:
            self._made[key] = make()
            self.modules.append(self._made[key])
        made: M = self._made[key]
        return made

    def placed(self, kind: str, rows: Iterable[int]) -> Placed:
        """Return frames by their kind ("body" is the inertial frame of an "xbody") and index."""
        rows = tuple(rows)
        return self.once((kind, rows), lambda: self._placed(kind, rows))

    def _placed(self, kind: str, rows: Sequence[int]) -> Placed:
        if kind == "body":
            return centers(self.spec, self.tree, rows)
        if kind == "xbody":
            return Placed(self.tree, [Fixture(i) for i in range(len(self.spec.bodies))], rows)
        parts = self.spec.geoms if kind == "geom" else self.equipment.sites
        fixtures = [Fixture(part.body, part.pos, part.quat) if part else None for part in parts]
        return Placed(self.tree, fixtures, rows, (f"{kind}_pos", f"{kind}_quat"))

    def subtrees(self, rows: Iterable[int]) -> Subtrees:
        """Return bodies, each together with all that hangs on it."""
        rows = tuple(rows)
        return self.once(
            ("subtrees", rows), lambda: Subtrees(self.spec, self.tree, rows, self.placed)
        )

    def about_roots(self, rows: Iterable[int]) -> AboutRoots:
        """Return what is taken about the centres of mass of trees."""
        rows = tuple(rows)
        return self.once(
            ("about roots", rows),
            lambda: AboutRoots(self.spec, self.tree, rows, self.placed, self.subtrees),
        )

    def quantity(self, name: str, rows: Iterable[int] | None) -> Quantity:
        """Return what gives an array; see `Derived`."""
        if name in POSES:
            kind, method = POSES[name]
            count = self.count(kind)
            chosen = _chosen(rows, count)
            value = getattr(self.placed(kind, chosen), method)
            return self.spread(value, chosen, count)
        bodies = len(self.spec.bodies)
        if name == "subtree_com":
            chosen = _chosen(rows, bodies)
            return self.spread(self.subtrees(chosen).com, chosen, bodies)
        if name in ("cvel", "cinert"):
            chosen = [row for row in _chosen(rows, bodies) if row != WORLD]
            return self.spread(getattr(self.about_roots(chosen), name), chosen, bodies, still=True)
        if name == "cdof":
            return self.about_roots(range(1, bodies)).cdof
        if name in ("xanchor", "xaxis"):
            anchors = self.once("anchors", lambda: Anchors(self.spec, self.tree))
            return anchors.axes if name == "xaxis" else anchors.anchors
        if name in ("ten_length", "ten_velocity"):
            tendons = self.tendons(range(len(self.equipment.tendons)))
            return tendons.lengths if name == "ten_length" else tendons.velocities
        if name in ("actuator_length", "actuator_velocity"):
            transmission = self.transmission()
            return transmission.lengths if name == "actuator_length" else transmission.velocities
        if name in ("actuator_force", "qfrc_actuator"):
            actuation = self.actuation()
            return actuation.forces if name == "actuator_force" else actuation.generalised
        raise NotImplementedError(name)

    def tendons(self, rows: Iterable[int]) -> Tendons:
        """Return tendons by index."""
        rows = tuple(rows)
        self.tree.drawn.refuse("wrap_prm")
        chosen = [tendon for row in rows if (tendon := self.equipment.tendons[row])]
        parts = [part for tendon in chosen for part in tendon.path]

        def make() -> Tendons:
            routes = None
            if parts:
                first = self.placed("site", [start for start, _, _ in parts])
                second = self.placed("site", [end for _, end, _ in parts])
                routes = Routes(first, second, self.pushes())
            return Tendons(self.spec, chosen, routes)

        return self.once(("tendons", rows), make)

    def pushes(self) -> Pushes:
        """Return what forces at frames do."""
        return self.once("pushes", lambda: Pushes(self.tree))

    def actuators(self) -> list[Actuator]:
        """Return all actuators."""
        return [actuator for actuator in self.equipment.actuators if actuator]

    def transmission(self) -> Transmission:
        """Return what all actuators act on."""
        self.tree.drawn.refuse("actuator_gear")

        def make() -> Transmission:
            actuators = self.actuators()
            tendons, on_sites = None, [a for a in actuators if a.transmission == "site"]
            if targets := [a.target for a in actuators if a.transmission == "tendon"]:
                tendons = self.tendons(targets)
            sites = None
            if on_sites:
                sites = SiteTransmission(
                    on_sites,
                    self.placed("site", [a.target for a in on_sites]),
                    self.placed(
                        "site", [a.target if a.reference < 0 else a.reference for a in on_sites]
                    ),
                    self.pushes(),
                )
            return Transmission(self.spec, actuators, tendons, sites)

        return self.once("transmission", make)

    def actuation(self) -> Actuation:
        """Return what all actuators do."""
        self.tree.drawn.refuse(*CONSTANTS)
        return self.once(
            "actuation",
            lambda: Actuation(self.spec, self.equipment, self.actuators(), self.transmission()),
        )

    def count(self, kind: str) -> int:
        """Return how many frames there are of a kind."""
        if kind in ("body", "xbody"):
            return len(self.spec.bodies)
        return len(self.spec.geoms if kind == "geom" else self.equipment.sites)

    def spread(
        self, value: Quantity, rows: Sequence[int], count: int, *, still: bool = False
    ) -> Quantity:
        """Return an array of which some rows are given.

        Args:
            value: gives the rows.
            rows: which they are.
            count: of all rows.
            still: whether the first row, the world's, is zero.
        """
        if list(rows) == list(range(count)):
            return value
        return self.once((value, count), lambda: Spread(value, rows, count, still))


class Spread(Part):
    """An array of which some rows are computed; the others are nan, or the world's zeros."""

    order: Tensor

    def __init__(self, value: Quantity, rows: Sequence[int], count: int, still: bool) -> None:
        super().__init__()
        self._value, self._still, self._rows = value, still, len(rows)
        order = torch.full((count,), len(rows))
        order[list(rows)] = torch.arange(len(rows))
        if still:
            order[WORLD] = len(rows) + 1
        register_constants(self, order=order)

    @quantity
    def forward(self, at: Instant) -> Tensor:
        """Return the array, (*batch, count, size)."""
        value: Tensor = self._value(at)
        shape = (*value.shape[:-2], 1, value.shape[-1])
        others = [value.new_full(shape, number) for number in (float("nan"), 0.0)]
        return torch.cat([value, *others], -2).index_select(-2, self.order)


def _chosen(rows: Iterable[int] | None, count: int) -> list[int]:
    return list(range(count)) if rows is None else sorted({*rows})
