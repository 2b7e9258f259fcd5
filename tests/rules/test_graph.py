"""A graph of rules is plain data: what is read is checked, and reads back as it was."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learned_envs.errors import RulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import MOST_CHARACTERS, Graph, Node


def small() -> Graph:
    build = GraphBuilder()
    q, action = build.input("after.qpos", (3,)), build.input("action", (2,))
    height = build.view(build.take(q, 0, [1]), ())
    cost = build.reduce("sum", build.add("mul", action, action))
    return build.graph(
        {
            "observation": build.cat([build.take(q, 0, [1, 2]), action, [np.inf, 0.5]]),
            "reward": build.add("sub", 1.0, build.add("mul", cost, 0.1)),
            "terminated": build.add("lt", height, 0.7),
        }
    )


def test_a_graph_reads_back_as_it_was() -> None:
    assert Graph.from_json(small().to_json()) == small()
    assert small().inputs == {"after.qpos": (3,), "action": (2,)}


@given(
    st.lists(st.floats(width=64) | st.sampled_from([-0.0, 1e300, 5e-324]), min_size=1, max_size=9)
)
def test_constants_read_back_to_the_last_bit(numbers: list[float]) -> None:
    build = GraphBuilder()
    graph = build.graph({"observation": build.constant(numbers)})
    (node,) = Graph.from_json(graph.to_json()).nodes
    assert node.array.tobytes() == np.where(np.isnan(numbers), np.nan, numbers).tobytes()


WRONG: dict[str, Any] = {
    "an unknown operation": lambda g: g["nodes"][2].__setitem__(0, "system"),
    "a later node": lambda g: g["nodes"][2].__setitem__(1, [9]),
    "itself": lambda g: g["nodes"][2].__setitem__(1, [2]),
    "a negative index": lambda g: g["nodes"][2].__setitem__(1, [-1]),
    "another shape": lambda g: g["nodes"][2].__setitem__(2, [2]),
    "another kind": lambda g: g["nodes"][2].__setitem__(3, "bool"),
    "a kind that is none": lambda g: g["nodes"][2].__setitem__(3, "int"),
    "an index out of bounds": lambda g: g["nodes"][2].__setitem__(4, [-1, [3]]),
    "an index that is no whole number": lambda g: g["nodes"][2].__setitem__(4, [-1, [1.5]]),
    "a dimension out of bounds": lambda g: g["nodes"][2].__setitem__(4, [-2, [1]]),
    "a dimension from the start": lambda g: g["nodes"][2].__setitem__(4, [0, [1]]),
    "a negative size": lambda g: g["nodes"][0].__setitem__(2, [-3]),
    "an unknown field": lambda g: g.update(code="print()"),
    "a node of too many fields": lambda g: g["nodes"][2].append(0),
    "an unknown output": lambda g: g["outputs"].update(reward=99),
    "an input twice": lambda g: g["nodes"][1].__setitem__(4, "after.qpos"),
    "an input without a name": lambda g: g["nodes"][1].__setitem__(4, None),
    "an enormous array": lambda g: g["nodes"][0].__setitem__(2, [10**6, 10**6]),
    "too many dimensions": lambda g: g["nodes"][0].__setitem__(2, [1] * 40),
    "a string for a number": lambda g: g["nodes"].append(["constant", [], [], "float", "7"]),
    "an integer for a number": lambda g: g["nodes"].append(["constant", [], [], "float", 7]),
    "too few numbers": lambda g: g["nodes"].append(["constant", [], [3], "float", [1.0]]),
    "bools and numbers": lambda g: g["nodes"].append(["constant", [], [2], "float", [1.0, True]]),
    "no operands": lambda g: g["nodes"].append(["cat", [], [0], "float", -1]),
    "numbers as conditions": lambda g: g["nodes"].append(["where", [0, 0, 0], [3], "float", None]),
    "no nodes": lambda g: g.pop("nodes"),
    "absolute nodes that are none": lambda g: g.update(absolute=[99]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_graph_is_an_error(what: str) -> None:
    plain = json.loads(small().to_json())
    assert plain["nodes"][2][0] == "take"
    WRONG[what](plain)
    with pytest.raises(RulesError):
        Graph.from_json(json.dumps(plain))


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"nul", b"\xff", b"[" * 10_000, b" " * MOST_CHARACTERS + b"{}"]
)
def test_what_is_no_json_of_a_graph_is_an_error(text: bytes) -> None:
    with pytest.raises(RulesError):
        Graph.from_json(text)


@given(st.data())
def test_damaged_json_is_an_error_or_another_graph(data: st.DataObject) -> None:
    text = bytearray(small().to_json())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        graph = Graph.from_json(bytes(text))
    except RulesError:
        return
    assert Graph.from_json(graph.to_json()) == graph


def test_rules_that_are_too_long_are_not_written() -> None:
    build = GraphBuilder()
    noise = np.random.default_rng(0).normal(size=10_000)
    with pytest.raises(RulesError, match="characters"):
        build.graph({"observation": build.constant(noise)}).to_json()


def test_a_message_says_which_node_is_wrong() -> None:
    with pytest.raises(RulesError, match=r"Node 1: got sin of float \(2,\), expected float \(3,\)"):
        Graph((Node("input", (), (3,), "float", "action"), Node("sin", (0,), (2,))), {})
