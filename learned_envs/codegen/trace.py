"""Torch functions as graphs of the operations that they call, which code is derived from."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from learned_envs.errors import UntraceableError

Operation = Callable[..., Any]
"""(reader, node, *arguments, **keywords) -> the node's value, or a list of them."""


def traced(function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> fx.GraphModule:
    """Return the graph of a function, with the shapes of its values.

    Args:
        function: from tensors to tensors, all on the CPU.
        examples: inputs of the shapes and types that are to come.

    Raises:
        UntraceableError: where the function asks for the value of a tensor.
    """
    try:
        # Where gradients are possible, nothing is computed in place.
        with torch.enable_grad():
            return make_fx(function)(*examples)
    except RuntimeError as error:
        raise UntraceableError(f"The function cannot be traced: {error}") from error


def by_overload(named: Mapping[str, Operation]) -> dict[Callable[..., Any], Operation]:
    """Return what is named like torch's operations by each that goes by the name."""
    aten: Any = torch.ops.aten
    return {
        getattr(getattr(aten, name), overload): operation
        for name, operation in named.items()
        for overload in getattr(aten, name).overloads()
    }


def filled(value: float) -> Operation:
    """Return the operation that makes a constant of the node's shape."""

    def operation(reader: Reader, node: fx.Node, *_: Any, **__: Any) -> Tensor:
        result = node.meta["val"]
        return torch.full(tuple(result.shape), value, dtype=result.dtype)

    return operation


class Reader(ABC):
    """Goes through a graph and gives each node a value: a tensor where no input is needed for it.

    Attributes:
        language: what code is derived, as messages call it.
        computed: the type of the other values.
    """

    language: ClassVar[str]
    computed: ClassVar[type]

    def __init__(self, graph: fx.GraphModule, operations: Mapping[Any, Operation]) -> None:
        """Prepare to read.

        Args:
            graph: as traced, with the shapes of its values.
            operations: what makes the value of each kind of node.
        """
        graph.graph.eliminate_dead_code()
        self._graph, self._operations = graph, operations
        self._values: dict[fx.Node, Any] = {}

    @abstractmethod
    def _input(self, node: fx.Node, place: int) -> Any:
        """Return the value of an input, of which it is that one."""

    def _read(self) -> None:
        place = 0
        for node in self._graph.graph.nodes:
            if node.op == "placeholder":
                self._values[node] = self._input(node, place)
                place += 1
            elif node.op == "get_attr":
                self._values[node] = operator.attrgetter(node.target)(self._graph)
            elif node.op != "output":
                self._values[node] = self._apply(node)

    def _resolve(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return self._values[argument]
        if isinstance(argument, (list, tuple)):
            return [self._resolve(entry) for entry in argument]
        return argument

    def _apply(self, node: fx.Node) -> Any:
        arguments = [self._resolve(argument) for argument in node.args]
        known = not any(isinstance(entry, self.computed) for entry in _flat(arguments))
        if known and callable(node.target):
            return node.target(*arguments, **node.kwargs)
        result = node.meta.get("val")
        if isinstance(result, Tensor) and result.numel() == 0:
            return torch.empty(tuple(result.shape), dtype=result.dtype)
        operation = self._operations.get(node.target)
        if operation is None:
            raise UntraceableError(f"There is no {self.language} code for {node.target}.")
        try:
            return operation(self, node, *arguments, **node.kwargs)
        except TypeError as error:
            raise UntraceableError(
                f"There is no {self.language} code for this {node.target}."
            ) from error


def _flat(arguments: Any) -> list[Any]:
    if isinstance(arguments, list):
        return [entry for argument in arguments for entry in _flat(argument)]
    return [arguments]
