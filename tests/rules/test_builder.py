"""A builder makes one node for all that compute the same, and simplifies only what is the same."""

import numpy as np
import pytest

from learned_envs.errors import RulesError
from learned_envs.rules.builder import GraphBuilder


@pytest.fixture
def build() -> GraphBuilder:
    return GraphBuilder()


def test_what_is_computed_twice_is_there_once(build: GraphBuilder) -> None:
    x = build.input("action", (3,))
    first = build.add("sin", build.add("mul", x, 2.0))
    assert build.add("sin", build.add("mul", x, np.full(3, 2))) == first
    assert build.input("action", (3,)) == x
    assert build.constant(0.0) != build.constant(-0.0) != build.constant(False)
    with pytest.raises(RulesError, match="'action'"):
        build.input("action", (4,))


def test_what_is_known_is_computed_at_once(build: GraphBuilder) -> None:
    matrix, three = build.constant(np.arange(12).reshape(3, 4)), build.constant(3)
    product = build.add("div", build.matmul(matrix, np.arange(4)), three)
    np.testing.assert_array_equal(build[product].array, np.arange(12).reshape(3, 4) @ range(4) / 3)
    assert build[build.add("div", 1.0, 0.0)].array == np.inf
    assert build[build.add("remainder", -1.0, 3.0)].array == 2
    assert build[build.add("round", 2.5)].array == 2
    assert np.isnan(build[build.add("sqrt", -1.0)].array)
    assert build[build.cast(build.add("lt", 1.0, np.arange(3)), "float")].array.tolist() == [
        0,
        0,
        1,
    ]


def test_shapes_are_those_of_numpy(build: GraphBuilder) -> None:
    x, y = build.input("after.xpos", (4, 3)), build.input("after.qvel", (3,))
    assert build[build.add("add", x, y)].shape == (4, 3)
    assert build[build.add("add", build.view(y, (3, 1)), y)].shape == (3, 3)
    assert build[build.reduce("sum", x)].shape == ()
    assert build[build.reduce("amax", x, 0, keepdims=True)].shape == (1, 3)
    assert build[build.stack([y, y], -1)].shape == (3, 2)
    assert build[build.permute(x, (1, 0))].shape == (3, 4)
    assert build[build.matmul(x, y)].shape == (4,)
    assert build[build.matmul(y, y)].shape == ()
    assert build[build.matmul(build.view(x, (4, 3, 1)), build.view(y, (1, 3)))].shape == (4, 3, 3)
    assert build[build.take(x, 0, [-1, 0])].shape == (2, 3)
    assert build[build.expand(y, (2, 3))].shape == (2, 3)
    with pytest.raises(RulesError, match="do not fit"):
        build.add("add", x, build.input("action", (2,)))


def test_simplifications(build: GraphBuilder) -> None:
    x, y = build.input("after.qpos", (4,)), build.input("after.qvel", (4,))
    mask, other = build.add("lt", x, 0.0), build.add("isnan", y)
    both = build.cat([x, y])
    assert build.where(mask, x, x) == x
    assert build.where(mask, True, False) == mask
    assert build.where(mask, False, True) == build.add("bitwise_not", mask)
    assert build.where(mask, other, False) == build.add("bitwise_and", mask, other)
    assert build.where(mask, True, other) == build.add("bitwise_or", mask, other)
    assert build.where(build.add("bitwise_not", mask), x, y) == build.where(mask, y, x)
    assert build.where(mask, build.where(mask, x, 0.0), y) == build.where(mask, x, y)
    assert build.where(True, x, y) == x
    assert build.add("bitwise_and", mask, build.add("bitwise_not", mask)) == build.constant(
        [False] * 4
    )
    assert build.take(both, 0, range(4, 8)) == y
    assert build.take(both, 0, [5]) == build.take(y, 0, [1])
    assert build.take(build.take(x, 0, [1, 2, 3]), 0, [0, 2]) == build.take(x, 0, [1, 3])
    assert build.cat([build.take(x, 0, [0]), build.take(x, 0, [1, 2, 3])]) == x
    assert build.cat([build.cat([x, [1.0]]), [2.0]]) == build.cat([x, [1.0, 2.0]])
    assert build.view(build.view(x, (2, 2)), (4,)) == x
    assert build.add("pow", x, 2.0) == build.add("mul", x, x)
    assert build.add("mul", build.add("sub", x, 0.0), 1.0) == x


def test_what_only_looks_simpler_stays(build: GraphBuilder) -> None:
    x = build.input("after.qpos", (4,))
    # x may be infinite, NaN or -0.0.
    assert build[build.add("sub", x, x)].op == "sub"
    assert build[build.add("mul", x, 0.0)].op == "mul"
    assert build[build.add("add", x, 0.0)].op == "add"
    assert build[build.add("bitwise_not", build.add("lt", x, 0.0))].op == "bitwise_not"


def test_a_graph_has_only_what_its_outputs_need(build: GraphBuilder) -> None:
    x = build.input("after.qpos", (4,))
    build.add("sin", build.input("action", (2,)))
    graph = build.graph({"reward": build.reduce("sum", x), "observation": x})
    assert [node.op for node in graph.nodes] == ["input", "sum"]
    assert graph.outputs == {"reward": 1, "observation": 0}


def test_a_choice_knows_its_condition(build: GraphBuilder) -> None:
    low, high = (build.add("lt", build.input(name, ()), 0.7) for name in ("after.z", "after.y"))
    paid = build.add("add", build.input("after.time", ()), build.cast(low, "float"))
    healthy = build.add("bitwise_and", low, high)
    # As `return low and high` is traced: in the second way `low` is what is returned.
    assert build.where(low, high, low) == healthy
    assert build.where(low, paid, 0.0) == build.where(
        low, build.add("add", build.input("after.time", ()), 1.0), 0.0
    )
    assert build.where(healthy, low, True) == build.constant(True)
    assert build.add("ne", build.cast(low, "float"), 0.0) == low


def test_a_choice_between_results_is_one_between_operands(build: GraphBuilder) -> None:
    x, y, z = (build.input(name, ()) for name in ("after.x", "after.y", "after.z"))
    mask, q = build.add("lt", x, 0.7), build.input("after.qpos", (3,))
    first, second = (build.add("sub", build.add("add", x, each), z) for each in (y, 2.0))
    chosen = build.where(mask, y, 2.0)
    assert build.where(mask, first, second) == build.add("sub", build.add("add", x, chosen), z)
    parts = [build.cat([q, build.stack([each])]) for each in (y, z)]
    assert build.where(mask, *parts) == build.cat([q, build.stack([build.where(mask, y, z)])])
