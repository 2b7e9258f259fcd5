"""What the rules of a real environment read, computed from states of a model.

The inputs of a graph of rules have names, such as "after.xpos". What stands before the dot says
when: `before` and `after` a step, as `mj_step` left MuJoCo's data; `fresh` after a step, as
`mj_forward` makes it. The difference is the lag of `kinematics/lag.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from learned_envs.kinematics.computable import computable
from learned_envs.kinematics.derived import Derived
from learned_envs.kinematics.lag import lagged
from learned_envs.rules.graph import Graph
from learned_envs.state import State
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import SystemSpec

STATE = ("qpos", "qvel")
"""Arrays that are the state itself."""

GIVEN = ("ctrl", "act")
"""Arrays that the rules compute themselves."""

PLACED = ("mocap_", "model.", "xfrc_applied", "qfrc_applied")
"""How names of leaves begin that are MuJoCo's, and that a step may write before physics."""


class Moment(NamedTuple):
    """When the rules read: a state, and what goes with it.

    Attributes:
        state: q (*batch, nq), v (*batch, nv) and the spec's leaves.
        ctrl: (*batch, nu) the controls; None if nothing asks for them.
        before: (*batch, nv) the velocity before the step that led there; None if none did.
        acted: (*batch, na) the activations that forces of that step were of; None if none did.
        readings: of learned sensors, (*batch, size) by name.
    """

    state: State
    ctrl: Tensor | None = None
    before: Tensor | None = None
    acted: Tensor | None = None
    readings: Mapping[str, Tensor] = {}


def derived_names(spec: SystemSpec, equipment: Equipment, names: Iterable[str]) -> list[str]:
    """Return those of MuJoCo's arrays that follow from a state, of all that rules read."""
    own = {*STATE, *GIVEN, *(leaf.name for leaf in spec.leaves)}
    return [name for name in names if name not in own and computable(name, equipment)]


@dataclass(frozen=True)
class Quantities:
    """Computes what rules read at one of their moments.

    Attributes:
        spec: the system.
        equipment: what is mounted on it.
        when: "before", "after" or "fresh".
        shapes: of what is read then, without the batch, by MuJoCo's name.
        rows: which rows of these arrays are read; all of those that are not named.
    """

    spec: SystemSpec
    equipment: Equipment
    when: str
    shapes: Mapping[str, tuple[int, ...]]
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    _derived: Derived | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        names = derived_names(self.spec, self.equipment, self.shapes)
        leaves = [leaf.name for leaf in self.spec.leaves]
        rows = {name: self.rows.get(name) for name in names}
        derived = Derived(self.spec, self.equipment, rows, leaves) if names else None
        object.__setattr__(self, "_derived", derived)

    @classmethod
    def of(
        cls, spec: SystemSpec, equipment: Equipment, graph: Graph, names: Iterable[str]
    ) -> list[Quantities]:
        """Sort some inputs of a graph by when they are read."""
        shapes, rows = graph.inputs, rows_read(graph)
        moments: dict[str, list[str]] = {}
        for name in names:
            when, dot, array = name.partition(".")
            if dot and when != "memory":
                moments.setdefault(when, []).append(array)
        return [
            cls(
                spec,
                equipment,
                when,
                {array: shapes[f"{when}.{array}"] for array in arrays},
                {array: rows[f"{when}.{array}"] for array in arrays if f"{when}.{array}" in rows},
            )
            for when, arrays in moments.items()
        ]

    def __call__(self, moment: Moment) -> dict[str, Tensor]:
        """Return what is read, (*batch, *shape) by the name of the input."""
        state, spec = moment.state, self.spec
        known = {"qpos": state.q, "qvel": state.v, **state.memory, **moment.readings}
        if moment.ctrl is not None:
            known["ctrl"] = moment.ctrl
        if self._derived is not None:
            q, v, act = state.q, state.v, state.memory.get("act")
            if self.when != "fresh" and moment.before is not None:
                q, v = lagged(spec, self.equipment, q, v, moment.before)
                act = act if moment.acted is None else moment.acted
            known |= self._derived(q, v, moment.ctrl, act, state.memory)
        batch = state.q.shape[:-1]
        return {
            f"{self.when}.{name}": known[name].reshape((*batch, *shape))
            for name, shape in self.shapes.items()
        }


def rows_read(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return which rows of its inputs a graph reads, of those of which it reads rows alone."""
    read: dict[int, set[int] | None] = {}
    for node in graph.nodes:
        for arg in node.args:
            taken: Any = node.data if node.op == "take" else (0, ())
            dim, indices = taken
            whole = node.op != "take" or dim != -len(graph.nodes[arg].shape)
            known = read.setdefault(arg, set())
            read[arg] = None if whole or known is None else known.union(indices)
    for place in graph.outputs.values():
        read[place] = None
    return {
        str(node.data): tuple(sorted(rows))
        for place, node in enumerate(graph.nodes)
        if node.op == "input" and (rows := read.get(place)) is not None
    }


def shifted(spec: SystemSpec) -> Callable[[State, State, Tensor], tuple[Tensor, Tensor]]:
    """Return what moves a step to where its cyclic coordinates begin at their reference.

    There float32 has digits for how far a step goes, however far the system has gone before.
    """
    dofs = {joint.q + i: joint.v + i for joint in spec.joints for i in range(3)}
    cyclic = [index in spec.cyclic for index in range(spec.nq)]
    places = [dofs[index] if moves else 0 for index, moves in enumerate(cyclic)]
    mask, dof = torch.tensor(cyclic), torch.tensor(places)
    home = torch.tensor(spec.q0, dtype=torch.float64)

    def shift(before: State, after: State, displacement: Tensor) -> tuple[Tensor, Tensor]:
        q = before.q
        here, chosen, origin = mask.to(q.device), dof.to(q.device), home.to(q)
        moved = displacement.index_select(-1, chosen)
        return torch.where(here, origin, q), torch.where(here, origin + moved, after.q)

    return shift
