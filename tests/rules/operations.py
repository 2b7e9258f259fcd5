"""A graph that has every operation, and inputs for it."""

import numpy as np
import torch
from torch import Tensor

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.operation import ELEMENTWISE, REDUCTIONS

SHAPES = {"action": (3,), "after.qpos": (3,), "after.xpos": (4, 3), "after.time": ()}

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, np.inf, -np.inf, np.nan]


def every_operation() -> Graph:
    """All operations, each with operands of several shapes, and with constants on either side."""
    build = GraphBuilder()
    action, q, x, time = (build.input(name, shape) for name, shape in SHAPES.items())
    outputs = {}
    for name, operation in ELEMENTWISE.items():
        if operation.operands == 1:
            outputs[name] = build.add(name, q)
            continue
        for label, operands in {
            "vectors": (action, q),
            "scalar first": (time, q),
            "scalar last": (x, time),
            "scalars": (time, time),
            "number first": (2.5, q),
            "number last": (q, 0.5),
            "array": (x, np.linspace(-2, 2, 3)),
            "matrices": (x, q),
        }.items():
            outputs[f"{name} {label}"] = build.add(name, *operands)
    for name in REDUCTIONS:
        for dims in ((0,), (1,), (0, 1)):
            outputs[f"{name} {dims}"] = build.reduce(name, x, dims)
        outputs[f"{name} kept"] = build.reduce(name, x, 0, keepdims=True)
    positive = build.add("gt", q, 0.0)
    outputs |= {
        "where": build.where(positive, q, action),
        "where numbers": build.where(positive, 1.0, 0.0),
        "where number": build.where(positive, 1.0, q),
        "where scalar": build.where(build.add("gt", time, 0.0), x, 7.0),
        "where flags": build.where(positive, build.add("isnan", action), positive),
        "cast": build.cast(positive, "float"),
        "view": build.view(x, (2, 6)),
        "expand": build.expand(q, (2, 3)),
        "expand scalar": build.expand(time, (2, 3)),
        "permute": build.permute(x, (1, 0)),
        "permute three": build.permute(build.view(x, (2, 2, 3)), (2, 0, 1)),
        "take": build.take(x, 0, [1, 2]),
        "take strided": build.take(build.view(x, (12,)), 0, range(1, 12, 3)),
        "take rows": build.take(x, 0, [3, 0, 0]),
        "take backwards": build.take(q, 0, [2, 1, 0]),
        "take one": build.view(build.take(x, 0, [2]), (3,)),
        "take entry": build.view(build.take(q, 0, [-1]), ()),
        "cat": build.cat([q, action, [1.0, np.inf]]),
        "cat rows": build.cat([x, build.view(q, (1, 3))], 0),
        "stack": build.stack([time, build.view(build.take(q, 0, [1]), ()), 3.0]),
        "matmul": build.matmul(build.permute(x, (1, 0)), x),
        "matmul constant": build.matmul(np.eye(4, 2).T, x),
        "matmul vector": build.matmul(x, q),
        "matmul stack": build.matmul(build.view(x, (2, 2, 3)), build.view(x, (2, 3, 2))),
        "constant": build.constant(np.arange(3)),
        "constant flag": build.constant(True),
        "input": q,
    }
    return build.graph(outputs)


GRAPH = every_operation()


def samples(count: int) -> dict[str, Tensor]:
    rng = np.random.default_rng(count)
    # Each number is special in one of four samples.
    return {
        name: torch.tensor(
            np.where(
                rng.random((count, *shape)) < 0.25,
                rng.choice(SPECIAL, (count, *shape)),
                rng.normal(size=(count, *shape)) * 3,
            )
        )
        for name, shape in SHAPES.items()
    }
