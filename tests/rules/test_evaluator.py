"""What torch computes of a graph is what numpy computes, for every operation and any batch."""

import copy
import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from interpreter import interpreted
from operations import GRAPH, SHAPES, samples

from learned_envs.errors import RulesError, ShapeError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.evaluator import Evaluator
from learned_envs.rules.graph import Graph, Node
from learned_envs.rules.operation import OPERATIONS


def test_every_operation_is_tried() -> None:
    assert {node.op for node in GRAPH.nodes} == OPERATIONS


@pytest.mark.parametrize("batch", [(), (1,), (200,), (40, 5)])
def test_torch_gives_what_numpy_gives(batch: tuple[int, ...]) -> None:
    inputs = samples(int(np.prod(batch)))
    shaped = {name: x.reshape(batch + SHAPES[name]) for name, x in inputs.items()}
    results = Evaluator(GRAPH)(shaped)
    for name, place in GRAPH.outputs.items():
        assert results[name].shape == batch + GRAPH.nodes[place].shape
    flat = {name: x.reshape(-1, *x.shape[len(batch) :]).numpy() for name, x in results.items()}
    for sample in range(len(inputs["action"])):
        expected = interpreted(GRAPH, {name: x[sample].numpy() for name, x in inputs.items()})
        for name, value in expected.items():
            # torch's vectors of powers are wrong for some of what is not a number.
            if name.startswith("pow"):
                value = np.where(np.isnan(value), flat[name][sample], value)
            # The last bit of transcendental functions, and sums in another order.
            np.testing.assert_allclose(
                flat[name][sample], value, rtol=1e-13, atol=1e-14, err_msg=name
            )
            assert flat[name].dtype == value.dtype


def test_numbers_have_the_type_of_the_inputs() -> None:
    for name, x in Evaluator(GRAPH)({n: x.float() for n, x in samples(3).items()}).items():
        assert x.dtype in (torch.float32, torch.bool), name


def test_what_is_missing_or_of_another_shape_is_an_error() -> None:
    inputs = samples(3)
    with pytest.raises(RulesError, match="action"):
        Evaluator(GRAPH)({name: x for name, x in inputs.items() if name != "action"})
    with pytest.raises(ShapeError, match="action"):
        Evaluator(GRAPH)({**inputs, "action": torch.zeros(3, 4)})
    with pytest.raises(ShapeError, match=r"after\.time"):
        Evaluator(GRAPH)({**inputs, "after.time": torch.zeros(2)})
    with pytest.raises(RulesError, match="nothing"):
        Evaluator(GRAPH, ["nothing"])


def test_only_what_is_asked_for_is_needed() -> None:
    evaluate = Evaluator(GRAPH, ["input", "cast"])
    assert evaluate.inputs == {"after.qpos"}
    assert evaluate({"after.qpos": torch.ones(2, 3)}).keys() == {"input", "cast"}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_an_evaluator_can_be_copied(copied: Callable[[Evaluator], Evaluator]) -> None:
    evaluate, inputs = Evaluator(GRAPH, ["cat"]), samples(3)
    evaluate(inputs)
    assert torch.equal(
        copied(evaluate)(inputs)["cat"].nan_to_num(), evaluate(inputs)["cat"].nan_to_num()
    )


def test_gradients_are_those_of_differences() -> None:
    build = GraphBuilder()
    q, action = build.input("after.qpos", (3,)), build.input("action", (3,))
    wave = build.add("sin", build.add("mul", q, action))
    bounded = build.add("maximum", build.add("minimum", action, 1.0), -1.0)
    distance = build.add("sqrt", build.reduce("sum", build.add("mul", q, bounded)))
    reward = build.add("add", build.reduce("amax", wave), distance)
    evaluate = Evaluator(build.graph({"reward": reward}))
    x = torch.rand(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    x.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: evaluate({"after.qpos": x[:, 0], "action": x[:, 1]})["reward"], (x,)
    )


def test_the_gradient_of_a_norm_of_zeros_is_zero() -> None:
    build = GraphBuilder()
    q = build.input("after.qpos", (3,))
    norm = build.add("sqrt", build.reduce("sum", build.add("mul", q, q)))
    angle = build.add("acos", build.add("sub", 1.0, norm))
    x = torch.zeros(2, 3, requires_grad=True)
    result = Evaluator(build.graph({"reward": norm, "angle": angle}))({"after.qpos": x})
    assert (result["reward"] == 0).all() and (result["angle"] == 0).all()
    (result["reward"] + result["angle"]).sum().backward()
    assert x.grad is not None and (x.grad == 0).all()


def test_graphs_that_no_builder_made_are_computed_too() -> None:
    nodes = (
        Node("constant", (), (), "float", 2.0),
        Node("input", (), (2,), "float", "action"),
        Node("add", (0, 0), ()),
        Node("constant", (), (2,), "float", 1.0),
        Node("mul", (3, 3), (2,)),
        Node("cat", (3, 4), (4,), "float", -1),
        Node("take", (1,), (0,), "float", (-1, ())),
        Node("cat", (6, 1), (2,), "float", -1),
        Node("sum", (1,), (2,), "float", ()),
        Node("view", (2,), (1,)),
        Node("add", (9, 8), (2,)),
        Node("lt", (6, 6), (0,), "bool"),
        Node("all", (11,), (), "bool", (-1,)),
    )
    names = {"constant": 5, "number": 2, "nothing": 6, "all": 7, "sum": 10, "none": 12}
    result = Evaluator(Graph(nodes, names))({"action": torch.tensor([[1.0, 3.0]])})
    assert result["constant"].tolist() == [[1, 1, 1, 1]] and result["number"].tolist() == [4]
    assert result["nothing"].shape == (1, 0) and result["all"].tolist() == [[1, 3]]
    assert result["sum"].tolist() == [[5, 7]]
    assert result["none"].tolist() == [True]


@given(st.data())
def test_whatever_can_be_read_can_be_computed(data: st.DataObject) -> None:
    plain = json.loads(GRAPH.to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(plain["nodes"]))
        field = data.draw(st.integers(0, 4))
        other = data.draw(st.sampled_from(plain["nodes"]))[field]
        number = data.draw(st.integers(-3, 30))
        node[field] = data.draw(
            st.sampled_from([other, number, [number], [], [-1, [number]], [[], 0], "nan", None])
        )
    try:
        graph = Graph.from_json(json.dumps(plain))
    except RulesError:
        return
    inputs = {name: torch.ones(2, *shape) for name, shape in graph.inputs.items()}
    for name, value in Evaluator(graph)(inputs).items():
        assert value.shape == (2, *graph.nodes[graph.outputs[name]].shape)
