"""A traced function is a graph of few operations, each computed once, and no more than needed."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from traceable import FUNCTIONS, OFFSET, WEIGHT

from learned_envs.codegen import cpp, numpy_code
from learned_envs.codegen.graph import Graph
from learned_envs.codegen.operations import ELEMENTWISE, REDUCTIONS, STRUCTURAL
from learned_envs.codegen.trace import traced
from learned_envs.errors import UntraceableError

Function = Callable[[Tensor], Sequence[Tensor]]

LISTED = ELEMENTWISE.keys() | REDUCTIONS.keys() | STRUCTURAL.keys()


def graph_of(function: Function) -> Graph:
    return traced(function, [torch.zeros(1, 5)])


def operations(function: Function) -> list[str]:
    return [node.operation for node in graph_of(function).nodes]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_graphs_are_made_of_what_is_listed(name: str) -> None:
    assert LISTED.issuperset(operations(FUNCTIONS[name]))


@pytest.mark.parametrize("writer", [cpp, numpy_code])
def test_both_languages_have_code_for_all_that_is_listed(writer) -> None:
    assert writer.operation.OPERATIONS.keys() == LISTED


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: [1 - x], ["sub"]),
        (lambda x: [x**2], ["mul"]),
        (lambda x: [x.reshape(5, 1).unsqueeze(0).flatten()], ["view"]),
        (lambda x: [x.unbind(-1)[3]], ["take", "view"]),
        (lambda x: [x[:, 1:].index_select(0, torch.tensor([0]))], ["take"]),
        (lambda x: [torch.stack([x, x])], ["view", "cat"]),
        (lambda x: [F.linear(x, WEIGHT.T, WEIGHT[0])], ["matmul", "add"]),
        (lambda x: [x.clamp(0, 1)], ["maximum", "minimum"]),
        (lambda x: [x.mean(-1)], ["sum", "mul"]),
        (lambda x: [x.norm(dim=-1)], ["mul", "sum", "sqrt"]),
        (lambda x: [F.layer_norm(x, (5,))], ["layer_norm"]),
    ],
)
def test_what_torch_has_several_names_for_has_one(function: Function, expected: list[str]) -> None:
    assert operations(function) == expected


def test_what_is_computed_twice_is_there_once() -> None:
    assert operations(lambda x: [x.sin() * x.sin(), x.sin().exp()]) == ["sin", "mul", "exp"]
    # Equal numbers need not be the same: x + 0.0 is 0.0 where x is -0.0.
    assert operations(lambda x: [x + 0.0, x + -0.0, x + 0.0]) == ["add", "add"]


def test_what_no_output_needs_is_not_there() -> None:
    assert operations(lambda x: [x.sin(), x.cumsum(-1)][:1]) == ["sin"]
    assert operations(lambda x: [torch.where(x.sin() > 0, x, x).exp()]) == ["exp"]


def test_what_depends_on_no_input_is_known() -> None:
    graph = graph_of(lambda x: [x + (OFFSET.sin() + 1).exp(), torch.zeros_like(x) - 1])
    assert [node.operation for node in graph.nodes] == ["add"]
    offset, below = graph.nodes[0].arguments[1], graph.outputs[1]
    assert torch.equal(offset.arguments[0], (OFFSET.sin() + 1).exp())
    assert torch.equal(below.arguments[0], -torch.ones(1, 5))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.detach().clone(),
        lambda x: x.reshape(5, 1).view(1, 5),
        lambda x: x.expand(1, 5)[:, 0:],
        lambda x: x.to(torch.float32).index_select(-1, torch.arange(5)),
        lambda x: torch.where(x > 0, x.clone(), x),
    ],
)
def test_what_changes_nothing_is_the_input_itself(function: Callable[[Tensor], Tensor]) -> None:
    graph = graph_of(lambda x: [function(x)])
    assert graph.outputs == graph.inputs


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x.cumsum(-1)],
        lambda x: [x if x.sum() > 0 else -x],
        lambda x: [torch.add(x, x, alpha=2)],
        lambda x: [x.argmax(-1)],
        lambda x: [x.norm(p=1, dim=-1)],
        lambda x: [x.index_select(-1, (x[0] > 0).long())],
        lambda x: [F.layer_norm(x, (5,), OFFSET)],
        lambda x: [torch.native_layer_norm(x, (5,), None, None, 1e-5)[1]],
    ],
)
def test_what_is_not_made_of_that_is_an_error(function: Function) -> None:
    with pytest.raises(UntraceableError):
        graph_of(function)
