"""One graph of the ways that a program can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from learned_envs.errors import RulesError
from learned_envs.rules.builder import GraphBuilder

OPTIONAL = "info."
"""What the names of outputs begin with that a way may lack; NaN stands for them there."""


class Way(NamedTuple):
    """One way through a program.

    Attributes:
        answers: the conditions that it asked, in order, each a node of one bool, and the answers.
        outputs: name -> node.
    """

    answers: Sequence[tuple[int, bool]]
    outputs: Mapping[str, int]


def merge(build: GraphBuilder, ways: Sequence[Way]) -> dict[str, int]:
    """Return the outputs of whatever way is taken: name -> node.

    Args:
        build: where the nodes are.
        ways: all that there are. Up to the first answer in which two of them differ, they asked
            the same.

    Raises:
        RulesError: if they are not all ways of one program, or give outputs of other shapes.
    """
    names = dict.fromkeys(name for way in ways for name in way.outputs)
    return _merged(build, [_whole(build, way, ways, names) for way in ways], 0)


def _whole(build: GraphBuilder, way: Way, ways: Sequence[Way], names: Mapping[str, None]) -> Way:
    """Give a way all outputs."""
    outputs = dict[str, int]()
    for name in names:
        shape = next(build[each.outputs[name]].shape for each in ways if name in each.outputs)
        if name in way.outputs:
            outputs[name] = way.outputs[name]
        elif name.startswith(OPTIONAL):
            outputs[name] = build.expand(float("nan"), shape)
        else:
            raise RulesError(f"Got a way without {name}, expected every way to give the same.")
        if (own := build[outputs[name]].shape) != shape:
            raise RulesError(f"Got {name} of shape {shape} in one way and {own} in another.")
    return Way(way.answers, outputs)


def _merged(build: GraphBuilder, ways: Sequence[Way], depth: int) -> dict[str, int]:
    first = ways[0]
    if len(ways) == 1:
        return dict(first.outputs)
    asked = {way.answers[depth][0] if len(way.answers) > depth else None for way in ways}
    (condition,) = asked if len(asked) == 1 else (None,)
    if condition is None:
        raise RulesError("Got ways that asked other conditions, expected those of one program.")
    sides = [[way for way in ways if way.answers[depth][1] is side] for side in (True, False)]
    if not all(sides):
        return _merged(build, ways, depth + 1)
    yes, no = (_merged(build, side, depth + 1) for side in sides)
    return {name: build.where(condition, yes[name], no[name]) for name in yes}
