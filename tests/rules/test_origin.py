"""What a shift of the world does not change is computed near the origin, with all its digits."""

import pytest
import torch
from torch import Tensor

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.evaluator import Evaluator
from learned_envs.rules.graph import Graph
from learned_envs.rules.origin import with_origin

DT = 0.008


def build() -> tuple[GraphBuilder, dict[str, int]]:
    build = GraphBuilder()
    before, after = build.input("before.qpos", (3,)), build.input("after.qpos", (3,))
    limit = build.input("memory.limit", ())
    x, x_, z_ = (
        build.view(build.take(q, 0, [place]), ())
        for q, place in ((before, 0), (after, 0), (after, 2))
    )
    way = build.add("sub", build.take(after, 0, [0, 1]), build.take(before, 0, [0, 1]))
    moved = build.add("sub", x_, x)
    return build, {
        "relative.velocity": build.add("div", moved, DT),
        "relative.distance": build.add("sqrt", build.reduce("sum", build.add("mul", way, way))),
        "relative.height": z_,
        "relative.low": build.add("lt", z_, limit),
        "relative.forward": build.add("gt", x_, x),
        "relative.other columns": build.take(after, 0, [2]),
        "absolute.position": after,
        "absolute.x": x,
        "absolute.far": build.add("gt", x_, 1000.0),
        "absolute.capped": build.add("minimum", x_, -1000.0),
        "absolute.capped ways": build.add(
            "sub", build.add("minimum", x_, -1000.0), build.add("minimum", x, -1000.0)
        ),
        "absolute.choice": build.where(build.add("gt", x_, 1000.0), moved, 0.0),
        "absolute.cast": build.add("mul", moved, build.add("gt", x_, 1000.0)),
        "absolute.saturated": build.add("tanh", build.add("mul", x_, 100.0)),
        "absolute.finite": build.add("isfinite", x_),
        "absolute.mixed": build.add("add", build.add("div", moved, DT), x_),
    }


def samples() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64) * 0.1
    shift = torch.zeros(8, 3, dtype=torch.float64)
    shift[:, :2] = 1 + 99 * torch.rand(8, 2, generator=generator)
    fixed = {"memory.limit": torch.zeros(8, dtype=torch.float64)}
    return (
        {"before.qpos": before, "after.qpos": after, **fixed},
        {"before.qpos": before + shift, "after.qpos": after + shift, **fixed},
    )


@pytest.fixture
def graph() -> Graph:
    builder, outputs = build()
    return with_origin(builder.graph(outputs), *samples())


def test_what_a_shift_changes_is_absolute(graph: Graph) -> None:
    assert graph.absolute is not None
    for name, place in graph.outputs.items():
        assert (place in graph.absolute) == name.startswith("absolute"), name
    assert Graph.from_json(graph.to_json()) == graph


def test_both_worlds_give_what_the_real_one_gives(graph: Graph) -> None:
    inputs, _ = samples()
    origin = {name: x.clone() for name, x in inputs.items()}
    origin["before.qpos"][:, :2] = 0
    origin["after.qpos"][:, :2] -= inputs["before.qpos"][:, :2]
    evaluate = Evaluator(graph)
    for name, x in evaluate(inputs, origin).items():
        # The positions are of size 1, and the velocity divides them by dt.
        torch.testing.assert_close(x, evaluate(inputs)[name], rtol=0, atol=1e-13, msg=name)


def test_a_velocity_far_from_the_origin_keeps_its_digits(graph: Graph) -> None:
    far = torch.tensor([[10_000.0, 0, 1]])
    step = torch.tensor([[0.001, 0, 0]])
    inputs = {"before.qpos": far, "after.qpos": far + step, "memory.limit": torch.zeros(1)}
    origin = {**inputs, "before.qpos": far * 0, "after.qpos": step}
    evaluate = Evaluator(graph, ["relative.velocity"])
    assert evaluate(inputs, origin)["relative.velocity"] == pytest.approx(0.001 / DT)
    # Float32 has a thousandth there: this is why there are two worlds.
    assert evaluate(inputs)["relative.velocity"] != pytest.approx(0.001 / DT, rel=1e-2)


def test_an_evaluator_says_what_it_needs_of_the_world_as_it_is(graph: Graph) -> None:
    assert not Evaluator(graph, ["relative.velocity", "relative.height"]).absolute_inputs
    assert Evaluator(graph, ["absolute.mixed"]).absolute_inputs == {"after.qpos"}
    assert Evaluator(graph, ["absolute.x"]).inputs == {"before.qpos"}
