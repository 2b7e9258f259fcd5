"""Every way that code can go: where it asks whether a value is true, both answers are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.tracing.refusal import where

MOST_WAYS = 64
"""In which a step may go. Every way is run, so that more take long and make large graphs."""


class TooManyWaysError(UntraceableRulesError):
    """Code can go more ways than can be run."""


class RaisedError(Exception):
    """The environment itself raised an error on a way."""


@dataclass
class Way:
    """One way that the code went.

    Attributes:
        asked: node of each condition that was asked, in order, and its answer.
        places: file:line of each condition, and its code.
        outputs: what came of it; None if the code raised an error.
        error: that error.
    """

    asked: list[tuple[int, bool]] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    outputs: Any = None
    error: Exception | None = None


class Oracle:
    """Answers by a script, and by what follows from earlier answers."""

    def __init__(self) -> None:
        self.begin([])

    def begin(self, script: list[bool], known: dict[int, bool] | None = None) -> None:
        """Start another way: the first answers are given, others are true."""
        self.script, self.way = script, Way()
        self.known: dict[int, bool] = dict(known or {})

    def ask(self, builder: GraphBuilder, node: int) -> bool:
        """Return whether a condition, of shape (), holds on this way."""
        turned = False
        while builder[node].op == "bitwise_not":
            (node,), turned = builder[node].args, not turned
        answer = self._answer(builder, node)
        if answer is None:
            place = len(self.way.asked)
            answer = self.script[place] if place < len(self.script) else True
            self.way.asked.append((node, answer))
            self.way.places.append(where())
            self._learn(builder, node, answer)
            # Each condition has another way behind it, and a loop may have no end.
            if len(self.way.asked) > MOST_WAYS:
                raise _too_many([self.way])
        return answer is not turned

    def _answer(self, builder: GraphBuilder, node: int) -> bool | None:
        """Return what earlier answers say of a condition; None if they do not."""
        if node in self.known:
            return self.known[node]
        here = builder[node]
        if here.op == "constant":
            return bool(here.data)
        if here.op == "view" and builder[here.args[0]].size == 1:
            return self._answer(builder, here.args[0])
        if here.op == "bitwise_not":
            inner = self._answer(builder, here.args[0])
            return None if inner is None else not inner
        if here.op in ("bitwise_and", "bitwise_or"):
            found = [self._answer(builder, arg) for arg in here.args]
            settles = here.op == "bitwise_or"
            if settles in found:
                return settles
            return None if None in found else not settles
        return None

    def _learn(self, builder: GraphBuilder, node: int, answer: bool) -> None:
        self.known[node] = answer
        here = builder[node]
        if here.op in ("view", "bitwise_not") and builder[here.args[0]].size == 1:
            self._learn(builder, here.args[0], answer is not (here.op == "bitwise_not"))
        elif (here.op, answer) in (("bitwise_and", True), ("bitwise_or", False)):
            for arg in here.args:
                if builder[arg].size == 1:
                    self._learn(builder, arg, answer)


def explored(oracle: Oracle, run: Callable[[], Any]) -> list[Way]:
    """Run code once for every way that it can go, and return all ways that end without an error.

    Args:
        oracle: which the code asks.
        run: the code. An error of its own is raised as `RaisedError`.

    Raises:
        UntraceableRulesError: if there are more than `MOST_WAYS`, or if all of them raise.
    """
    ways = _ways(oracle, run, {})
    if all(way.error for way in ways):
        raise ways[0].error or AssertionError
    return ways


def apart(oracle: Oracle, run: Callable[[], Any]) -> list[Way]:
    """Run a part of code once for every way that it can go, on the way that all of it goes.

    Args:
        oracle: which the code asks.
        run: the part, which does nothing but return a result.
    """
    outer = oracle.script, oracle.way, oracle.known
    try:
        return _ways(oracle, run, outer[2])
    finally:
        oracle.script, oracle.way, oracle.known = outer


def _ways(oracle: Oracle, run: Callable[[], Any], known: dict[int, bool]) -> list[Way]:
    ways: list[Way] = []
    script: list[bool] = []
    while True:
        oracle.begin(script, known)
        way = oracle.way
        try:
            way.outputs = run()
        except RaisedError as raised:
            way.error = raised.__cause__ if isinstance(raised.__cause__, Exception) else raised
        ways.append(way)
        answers = [answer for _, answer in way.asked]
        while answers and not answers[-1]:
            answers.pop()
        if not answers:
            break
        script = [*answers[:-1], False]
        if len(ways) == MOST_WAYS:
            raise _too_many(ways)
    return ways


def merged(
    builder: GraphBuilder, ways: list[Way], choose: Callable[[int, Any, Any], Any], depth: int = 0
) -> Any:
    """Return what comes of all ways together.

    A way on which the environment raises an error is taken for impossible.

    Args:
        builder: of the graph.
        ways: that have the first `depth` answers in common.
        choose: from a condition and what comes if it holds, and if not.
        depth: how many answers are settled.
    """
    ways = [way for way in ways if way.error is None]
    if not ways:
        return None
    if len(ways) == 1 or any(len(way.asked) <= depth for way in ways):
        return ways[0].outputs
    condition = ways[0].asked[depth][0]
    yes, no = (
        merged(builder, [w for w in ways if w.asked[depth][1] is answer], choose, depth + 1)
        for answer in (True, False)
    )
    if yes is None or no is None:
        return no if yes is None else yes
    return choose(condition, yes, no)


def _too_many(ways: list[Way]) -> UntraceableRulesError:
    places = dict.fromkeys(place for way in ways for place in way.places)
    told = "\n".join(f"  {place}: {code}" for place, code in list(places)[:12])
    more = f"\n  and {len(places) - 12} more" if len(places) > 12 else ""
    return TooManyWaysError(
        f"Got a step that can go more than {MOST_WAYS} ways, by these conditions:\n{told}{more}\n"
        "To have it traced, write them with np.where, or as products with (condition)."
    )
