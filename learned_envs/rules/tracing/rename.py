"""What inputs of a traced graph are called, once it is known when physics was called last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph

SHOWN = ("observation", "info.")
"""How outputs begin that a reset may return too."""


def step_of(graph: Graph, calls: int) -> Graph:
    """Return the graph of a step in which physics was called so often.

    Raises:
        UntraceableRulesError: if anything but `ctrl` depends on what was between two calls.
    """

    def named(name: str) -> str:
        stage, _, rest = name.partition(".")
        if not stage.isdigit():
            return name
        return f"after.{rest}" if int(stage) == calls else f"middle.{stage}.{rest}"

    builder = GraphBuilder()
    places = copied(builder, graph, named)
    step = builder.graph({name: places[node] for name, node in graph.outputs.items()})
    _check_middle(step)
    return step


def start_of(shown: Graph) -> Graph:
    """Return the graph of what is shown of a state: there, nothing lags behind."""
    builder = GraphBuilder()
    places = copied(builder, shown, lambda name: name.replace("fresh.", "after.", 1))
    return builder.graph({name: places[node] for name, node in shown.outputs.items()})


def start_of_step(step: Graph) -> Graph | None:
    """Return what a step shows and tells, as a graph of the state that it led to.

    What also depends on the action, or on what was before, is left out. None if nothing is left.
    """
    builder = GraphBuilder()
    memory = {name: node for name, node in step.outputs.items() if name.startswith("memory.")}
    shapes = {name: step.nodes[node].shape for name, node in memory.items()}
    kept = {node: builder.input(name, shapes[name]) for name, node in memory.items()}

    def named(name: str) -> str:
        return f"before.{name}" if name in memory else name.replace("fresh.", "after.", 1)

    places = copied(builder, step, named, kept)
    shown = {name: places[node] for name, node in step.outputs.items() if name.startswith(SHOWN)}
    known = {
        name: node
        for name, node in shown.items()
        if all(x.startswith(("after.", "memory.")) for x in builder.graph({name: node}).inputs)
    }
    return builder.graph(known) if known else None


def needed(step: Graph, known: Set[str]) -> set[str]:
    """Return the outputs that anything depends on: what a step returns, and so what it remembers.

    Args:
        step: the graph.
        known: outputs that are needed in any case, beside those that are no memory.
    """
    depends: list[set[str]] = []
    for node in step.nodes:
        own = {str(node.data)} if node.op == "input" else set()
        depends.append(own.union(*(depends[arg] for arg in node.args)))
    found = {name for name in step.outputs if not name.startswith("memory.") or name in known}
    while True:
        read = set().union(*(depends[step.outputs[name]] for name in found))
        more = {name for name in step.outputs if name in read} - found
        if not more:
            return found
        found |= more


def joined(*graphs: Graph) -> Graph:
    """Return one graph with the outputs of all."""
    builder = GraphBuilder()
    outputs: dict[str, int] = {}
    for graph in graphs:
        places = copied(builder, graph, str)
        outputs |= {name: places[node] for name, node in graph.outputs.items()}
    return builder.graph(outputs)


def copied(
    builder: GraphBuilder,
    graph: Graph,
    named: Callable[[str], str],
    instead: Mapping[int, int] | None = None,
) -> list[int]:
    """Make the nodes of a graph anew; return their places.

    Args:
        builder: where.
        graph: what.
        named: from the old name of an input to the new one.
        instead: place of a node -> node that stands for it.
    """
    places: list[int] = []
    for place, node in enumerate(graph.nodes):
        args = [places[arg] for arg in node.args]
        if instead and place in instead:
            places.append(instead[place])
        elif node.op == "input":
            places.append(builder.input(named(str(node.data)), node.shape))
        else:
            places.append(builder.make(node.op, *args, data=node.data, shape=node.shape))
    return places


def _check_middle(graph: Graph) -> None:
    """Refuse rules that need what physics was between two of its calls."""
    middle = [name for name in graph.inputs if name.startswith("middle.")]
    if not middle:
        return
    depends: list[set[str]] = []
    for node in graph.nodes:
        own = {str(node.data)} if node.op == "input" else set()
        depends.append(own.union(*(depends[arg] for arg in node.args)))
    for name, place in graph.outputs.items():
        used = sorted(set(middle) & depends[place])
        if used and name != "ctrl":
            raise UntraceableRulesError(
                f"Got {name} that depends on {used[0]}, which is between two calls of physics in a "
                "step, expected what is before the first or after the last."
            )
