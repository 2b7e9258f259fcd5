"""Graphs of rules as numpy computes them, a sample at a time: what others are held against."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from learned_envs.rules.constant import computed
from learned_envs.rules.graph import Graph


def interpreted(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, Any]:
    values: list[Any] = []
    for node in graph.nodes:
        if node.op == "input":
            values.append(np.asarray(inputs[str(node.data)], np.float64))
        elif node.op == "constant":
            values.append(node.array)
        else:
            args = [values[arg] for arg in node.args]
            values.append(computed(node.op, args, node.data, node.shape))
    return {name: values[place] for name, place in graph.outputs.items()}
