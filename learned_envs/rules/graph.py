"""Graphs of what is computed from named inputs: plain data, checked whenever one is made or read.

Shapes are those of one sample. Who evaluates a graph may have dimensions of a batch before them.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from learned_envs.errors import RulesError
from learned_envs.rules.operation import Kind
from learned_envs.rules.shape import Shape, inferred

MOST_CHARACTERS = 100_000
"""Of a graph as JSON; that of Humanoid-v5 has some 30,000."""

MOST_NODES = 20_000
"""Of a graph."""

MOST_NUMBERS = 2_000_000
"""Of all nodes of a graph together, for one sample."""

Number = bool | int | float | str
"""Of a constant. What JSON has no number for is named: "inf", "-inf", "nan"."""

Data = Number | tuple[Number | tuple[int, ...], ...] | None


class Node(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One value.

    Attributes:
        op: the operation; see `operation.py`.
        args: indices of earlier nodes that it is applied to.
        shape: of the value, for one sample.
        kind: of its numbers.
        data: what else the operation has.
    """

    op: str
    args: tuple[int, ...]
    shape: Shape
    kind: Kind = "float"
    data: Data = None

    @property
    def size(self) -> int:
        """How many numbers there are, for one sample."""
        return math.prod(self.shape)

    @property
    def array(self) -> NDArray[Any]:
        """The numbers of a constant: float64 or bool."""
        dtype = np.bool_ if self.kind == "bool" else np.float64
        if isinstance(self.data, tuple):
            return np.array([dtype(number) for number in self.data], dtype).reshape(self.shape)
        return np.full(self.shape, dtype(self.data), dtype)


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is computed from inputs.

    Attributes:
        nodes: each after those that it needs.
        outputs: name -> index of a node.
        absolute: indices of the nodes that change when the whole world is shifted along the
            coordinates that nothing depends on; None if nobody asked. See `origin.py`.
    """

    nodes: tuple[Node, ...]
    outputs: dict[str, int]
    absolute: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check all of it.

        Raises:
            RulesError: if an operation is unknown, or the graph is no such graph.
        """
        nodes = self.nodes
        numbers = sum(math.prod(map(abs, node.shape)) for node in nodes[:MOST_NODES])
        if len(nodes) > MOST_NODES or numbers > MOST_NUMBERS:
            raise RulesError(
                f"Got {len(nodes):,} operations on {numbers:,} numbers, expected at most"
                f" {MOST_NODES:,} on {MOST_NUMBERS:,}."
            )
        for place, node in enumerate(nodes):
            if any(not 0 <= arg < place for arg in node.args):
                raise RulesError(f"Got node {place} of {node.args}, expected earlier nodes.")
            try:
                found = inferred(node.op, [nodes[arg] for arg in node.args], node.data, node.shape)
            except RulesError as error:
                raise RulesError(f"Node {place}: {error}") from None
            if found != (node.shape, node.kind):
                raise RulesError(
                    f"Node {place}: got {node.op} of {node.kind} {node.shape}, expected {found[1]}"
                    f" {found[0]}."
                )
        names = [node.data for node in nodes if node.op == "input"]
        if twice := {name for name in names if names.count(name) > 1}:
            raise RulesError(f"Got the input {twice.pop()!r} twice, expected it once.")
        places = [*self.outputs.values(), *(self.absolute or ())]
        if any(not 0 <= place < len(nodes) for place in places):
            raise RulesError(f"Got outputs {places}, expected nodes from 0 to {len(nodes) - 1}.")

    @property
    def inputs(self) -> dict[str, Shape]:
        """The inputs: name -> shape of one sample."""
        return {str(node.data): node.shape for node in self.nodes if node.op == "input"}

    def to_json(self) -> bytes:
        """Return the graph as JSON.

        Raises:
            RulesError: if it is longer than `MOST_CHARACTERS`.
        """
        text = msgspec.json.encode(self)
        if len(text) > MOST_CHARACTERS:
            raise RulesError(
                f"Got rules of {len(text):,} characters, expected at most {MOST_CHARACTERS:,}."
            )
        return text

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """Read a graph that may come from anywhere. No code is run.

        Raises:
            RulesError: if it is none.
        """
        if len(text) > MOST_CHARACTERS:
            raise RulesError(
                f"Got rules of {len(text):,} characters, expected at most {MOST_CHARACTERS:,}."
            )
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RulesError(f"Got no graph of rules: {error}.") from error
