"""What a value is if a condition is known to hold, or not to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learned_envs.rules.builder import GraphBuilder


def assumed(build: GraphBuilder, node: int, condition: int, holds: bool) -> int:
    """Return a node that is the same where a condition holds, or where it does not.

    Args:
        build: where the nodes are.
        node: of any value.
        condition: a node of one bool.
        holds: whether it does.
    """
    facts = _facts(build, condition, holds)
    known = {fact: build.expand(truth, build[fact].shape) for fact, truth in facts.items()}
    return _replaced(build, node, known, min(known))


def _facts(build: GraphBuilder, condition: int, holds: bool) -> dict[int, bool]:
    """Return what else is known with a condition, node -> whether it holds."""
    facts, node = {condition: holds}, build[condition]
    if node.op == "view" and build[node.args[0]].size == 1:
        facts |= _facts(build, node.args[0], holds)
    elif node.op == "bitwise_not":
        facts |= _facts(build, node.args[0], not holds)
    elif (node.op, holds) in (("bitwise_and", True), ("bitwise_or", False)):
        for arg in node.args:
            if build[arg].size == 1 and build[arg].op != "constant":
                facts |= _facts(build, arg, holds)
    return facts


def _replaced(build: GraphBuilder, node: int, known: dict[int, int], first: int) -> int:
    """Return a node with others replaced, of which the first depend on nothing that is."""
    if node not in known:
        if node < first or not build[node].args:
            return node
        old = build[node]
        args = [_replaced(build, arg, known, first) for arg in old.args]
        same = args == list(old.args)
        known[node] = (
            node
            if same
            else build.expand(build.add(old.op, *args, data=old.data, shape=old.shape), old.shape)
        )
    return known[node]
