"""Ways through a program become one graph that gives what the program gives."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interpreter import interpreted

from learned_envs.errors import RulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.merge import Way, merge


def ways_of(program: Callable[[Any], dict[str, int]]) -> list[Way]:
    """Run a program once for every way that the answers to its questions can fall."""
    ways, script = list[Way](), list[bool]()
    while True:
        asked = list[tuple[int, bool]]()

        def ask(condition: int, script: Any = script, asked: Any = asked) -> bool:
            answer = script[len(asked)] if len(asked) < len(script) else True
            asked.append((condition, answer))
            return answer

        ways.append(Way(asked, program(ask)))
        script = [answer for _, answer in asked]
        while script and not script[-1]:
            script.pop()
        if not script:
            return ways
        script[-1] = False


def test_each_sample_gets_the_outputs_of_its_way() -> None:
    build = GraphBuilder()
    q = build.input("after.qpos", (3,))
    x, y, z = (build.view(build.take(q, 0, [place]), ()) for place in range(3))

    def program(ask: Callable[[int], bool]) -> dict[str, int]:
        outputs = {"observation": q, "reward": build.constant(0.0)}
        if ask(build.add("gt", x, 0.0)):
            outputs["reward"] = build.add("add", x, 1.0)
            if ask(build.add("gt", y, 0.0)):
                outputs["info.y"] = y
        elif not ask(build.add("gt", z, 0.0)):
            outputs["reward"] = z
        fallen = ask(build.add("lt", z, -0.5))
        return {**outputs, "terminated": build.constant(fallen)}

    graph = build.graph(merge(build, ways_of(program)))
    assert graph.nodes[graph.outputs["observation"]].op == "input"
    for sample in itertools.product((-1.0, -0.25, 0.5), repeat=3):
        x_, y_, z_ = sample
        given = interpreted(graph, {"after.qpos": np.array(sample)})
        assert given["reward"] == (x_ + 1 if x_ > 0 else 0 if z_ > 0 else z_)
        assert given["terminated"] == (z_ < -0.5)
        np.testing.assert_equal(given["info.y"], np.array(y_ if x_ > 0 and y_ > 0 else np.nan))


def test_a_termination_that_is_asked_for_is_the_condition_itself() -> None:
    build = GraphBuilder()
    height, angle = build.input("after.height", ()), build.input("after.angle", ())
    low, turned = build.add("lt", height, 0.7), build.add("gt", angle, 0.2)

    def program(ask: Callable[[int], bool]) -> dict[str, int]:
        return {"terminated": build.constant(ask(low) or ask(turned))}

    outputs = merge(build, ways_of(program))
    assert outputs == {"terminated": build.add("bitwise_or", low, turned)}


def test_ways_that_do_not_fit_are_an_error() -> None:
    build = GraphBuilder()
    q, asked = build.input("after.qpos", (3,)), build.add("isnan", build.input("after.time", ()))
    with pytest.raises(RulesError, match="observation of shape"):
        first = Way([(asked, True)], {"observation": q})
        merge(build, [first, Way([(asked, False)], {"observation": asked})])
    with pytest.raises(RulesError, match="without reward"):
        merge(build, [Way([(asked, True)], {"reward": q}), Way([(asked, False)], {})])
    with pytest.raises(RulesError, match="other conditions"):
        merge(build, [Way([(asked, True)], {}), Way([], {})])
