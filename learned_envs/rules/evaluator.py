"""Graphs of rules, computed in torch: batched, differentiable, on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from learned_envs.errors import RulesError, ShapeError
from learned_envs.rules.constant import folded
from learned_envs.rules.graph import Graph, Node
from learned_envs.rules.torch_operation import NUMBERS, slices, torch_operation


class Step(NamedTuple):
    """One operation: the places of what it is applied to, and of its result."""

    function: Callable[..., Tensor]
    args: tuple[int, ...]
    place: int


class Known(NamedTuple):
    """A constant: its numbers in lists, its shape, and its type; None is that of the inputs."""

    numbers: Any
    shape: tuple[int, ...]
    dtype: torch.dtype | None = None

    @classmethod
    def of(cls, node: Node) -> Known:
        """Return what a node is."""
        return cls(node.array.tolist(), node.shape, torch.bool if node.kind == "bool" else None)

    def tensor(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return it as a tensor."""
        made = torch.tensor(self.numbers, dtype=self.dtype or dtype, device=device)
        return made.reshape(self.shape)


class Evaluator:
    """Computes the outputs of a graph.

    What does not change when the whole world is shifted (see `origin.py`) is computed from inputs
    that were shifted to the origin, where float32 has its digits: so a displacement is not the
    difference of two large positions.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str] | None = None) -> None:
        """Prepare.

        Args:
            graph: what to compute.
            outputs: which of its outputs; all of them if not given.
        """
        self.graph = graph
        self.outputs = tuple(graph.outputs if outputs is None else outputs)
        if unknown := set(self.outputs) - graph.outputs.keys():
            raise RulesError(f"Got outputs {sorted(unknown)}, expected some of {[*graph.outputs]}.")
        graph = folded(graph)
        everywhere = Plan(graph, self.outputs, range(len(graph.nodes)))
        self._one = everywhere
        self._two = everywhere
        if graph.absolute is not None:
            self._two = Plan(graph, self.outputs, graph.absolute)
        self._constants: dict[Any, list[Any]] = {}

    def __reduce__(self) -> Any:
        """Be copied and pickled as what it was made of: functions cannot be."""
        return type(self), (self.graph, self.outputs)

    @property
    def inputs(self) -> frozenset[str]:
        """The names of the inputs that the outputs need."""
        return frozenset(name for name, *_ in self._one.inputs)

    @property
    def absolute_inputs(self) -> frozenset[str]:
        """Those of them that are needed as they are, beside those that were shifted."""
        return frozenset(name for name, frame, *_ in self._two.inputs if not frame)

    def __call__(
        self, inputs: Mapping[str, Tensor], relative: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return the outputs.

        Args:
            inputs: name -> (*batch, *shape), floats of one type, with the same batch for all.
            relative: the same with the world shifted to the origin. Without it, all is computed
                from `inputs`.

        Returns:
            Name -> (*batch, *shape) of each output: of the inputs' type, or bool.

        Raises:
            RulesError: if an input is missing.
            ShapeError: if one has another shape.
        """
        plan = self._one if relative is None else self._two
        values: list[Any] = [None] * plan.places
        batch: tuple[int, ...] = ()
        like: Tensor | None = None
        for name, shifted, shape, place in plan.inputs:
            given = relative if shifted and relative is not None else inputs
            if name not in given:
                raise RulesError(f"Got no {name!r}, which the rules need.")
            x = values[place] = given[name]
            lead = x.shape[: x.ndim - len(shape)]
            if x.shape[x.ndim - len(shape) :] != shape or (like is not None and lead != batch):
                raise ShapeError(
                    f"Got {name} of shape {tuple(x.shape)}, expected {(*batch, *shape)}."
                )
            batch, like = lead, x
        dtype = torch.get_default_dtype() if like is None else like.dtype
        device = torch.device("cpu") if like is None else like.device
        values[0] = dtype
        for place, constant in zip(plan.known, self._known(plan, dtype, device), strict=True):
            values[place] = constant
        for function, args, place in plan.steps:
            values[place] = function(*[values[arg] for arg in args])
        return {
            name: values[place].expand(batch + values[place].shape) if constant else values[place]
            for name, place, constant in plan.outputs
        }

    def _known(self, plan: Plan, dtype: torch.dtype, device: torch.device) -> list[Any]:
        key = plan is self._one, dtype, device
        if torch.compiler.is_compiling():
            return plan.constants(dtype, device)
        if key not in self._constants:
            self._constants[key] = plan.constants(dtype, device)
        return self._constants[key]


class Plan:
    """The order in which the nodes of a graph are computed, and where their values are kept.

    Attributes:
        inputs: name, whether it is wanted shifted, shape, place.
        known: places of the constants.
        steps: what is computed.
        outputs: name, place, whether it is a constant.
        places: how many there are; place 0 is the type of numbers.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str], absolute: Sequence[int]) -> None:
        """Plan.

        Args:
            graph: what to compute.
            outputs: names.
            absolute: the nodes that are not computed from shifted inputs wherever they are needed.
        """
        self._graph, self._absolute = graph, frozenset(absolute)
        self._places: dict[Any, int] = {}
        self._constants: list[Known | float] = []
        self.inputs: list[tuple[str, bool, tuple[int, ...], int]] = []
        self.known: list[int] = []
        self.steps: list[Step] = []
        self.places = 1
        for place in self._needed(outputs):
            self._plan(*place)
        self.outputs = [
            (name, self._places[self._frame(graph.outputs[name], False)], constant)
            for name in outputs
            for constant in [graph.nodes[graph.outputs[name]].op == "constant"]
        ]

    def constants(self, dtype: torch.dtype, device: torch.device) -> list[Any]:
        """Return the constants, some of them as numbers."""
        return [
            each.tensor(dtype, device) if isinstance(each, Known) else each
            for each in self._constants
        ]

    def _frame(self, index: int, shifted: bool) -> tuple[int, bool]:
        """Return where a node is computed: shifted, if it does not matter."""
        node = self._graph.nodes[index]
        return index, node.op != "constant" and (shifted or index not in self._absolute)

    def _needed(self, outputs: Sequence[str]) -> list[tuple[int, bool]]:
        """Return the nodes that are needed, each after what it needs, and where."""
        needed = {self._frame(self._graph.outputs[name], False) for name in outputs}
        for index in reversed(range(len(self._graph.nodes))):
            for shifted in (False, True):
                if (index, shifted) in needed:
                    needed.update(self._frame(arg, shifted) for arg in self._args(index))
        return sorted(needed)

    def _args(self, index: int) -> tuple[int, ...]:
        """Return what a node is computed from: what is selected, from where it is selected."""
        node = self._graph.nodes[index]
        return self._graph.nodes[node.args[0]].args if self._selects(node) else node.args

    def _selects(self, node: Node) -> bool:
        """Return whether a view takes away the dimension of one that was taken."""
        if node.op != "view" or (taken := self._graph.nodes[node.args[0]]).op != "take":
            return False
        data: Any = taken.data
        shape = list(taken.shape)
        return shape.pop(data[0]) == 1 and tuple(shape) == node.shape

    def _plan(self, index: int, shifted: bool) -> None:
        node, graph = self._graph.nodes[index], self._graph.nodes
        place = self._places[index, shifted] = self._new()
        if node.op == "input":
            self.inputs.append((str(node.data), shifted, node.shape, place))
            return
        if node.op == "constant":
            self._know(place, Known.of(node))
            return
        args = [graph[arg] for arg in node.args]
        places = [self._places[self._frame(arg, shifted)] for arg in self._args(index)]
        data: Any = node.data
        if self._selects(node):
            taken: Any = args[0].data
            self.steps.append(_select(taken[0], taken[1][0], places[0], place))
            return
        if node.op == "take" and not slices(data[1]):
            indices = Known(data[1], (len(data[1]),), torch.int64)
            places.append(self._know(self._new(), indices))
        elif node.op == "cast":
            places.append(0)
        for position in NUMBERS.get(node.op, ()):
            known = args[position]
            if known.op == "constant" and known.shape == ():
                places[position] = self._know(self._new(), float(known.array))
        function = torch_operation(node, args)
        self.steps.append(Step(function, tuple(places), place))

    def _new(self) -> int:
        self.places += 1
        return self.places - 1

    def _know(self, place: int, constant: Known | float) -> int:
        self.known.append(place)
        self._constants.append(constant)
        return place


def _select(dim: int, index: int, source: int, place: int) -> Step:
    return Step(lambda x: x.select(dim, index), (source,), place)
