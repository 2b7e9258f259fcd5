"""Rules become numpy and C++ code, and what torch.compile makes of them, and give the same."""

import numpy as np
import pytest
import torch
from marks import needs_compiler
from operations import GRAPH, SHAPES
from torch import Tensor

from learned_envs.codegen.cpp import CppBatch
from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.rules.evaluator import Evaluator

EVALUATE = Evaluator(GRAPH)


def moderate(count: int) -> list[Tensor]:
    """Inputs without what is no number, and of sizes that float32 is good at."""
    generator = torch.Generator().manual_seed(count)
    return [torch.randn(count, *shape, generator=generator) for shape in SHAPES.values()]


def function(*inputs: Tensor) -> list[Tensor]:
    return [*EVALUATE(dict(zip(SHAPES, inputs, strict=True))).values()]


def close(ours: Tensor, theirs: Tensor, name: str) -> None:
    # Some roundings of float32 in powers and tangents, on numbers up to 1,000.
    torch.testing.assert_close(
        ours.reshape(theirs.shape),
        theirs,
        rtol=1e-4,
        atol=1e-5,
        equal_nan=True,
        msg=f"{name}: {{}}".format,
    )


def test_numpy_code_gives_the_same() -> None:
    program = NumpyFunction(function, moderate(1))
    for seed in range(1, 20):
        inputs = [x[:1] for x in moderate(seed)]
        results = program.run(
            *[x[0].numpy().reshape(-1) if x.ndim < 3 else x[0].numpy() for x in inputs]
        )
        for name, ours, theirs in zip(EVALUATE.outputs, results, function(*inputs), strict=True):
            close(torch.tensor(np.asarray(ours)), theirs, name)


@needs_compiler
def test_cpp_code_gives_the_same() -> None:
    program = CppBatch([function], moderate(1))
    inputs = moderate(100)
    for name, ours, theirs in zip(
        EVALUATE.outputs, program.run(inputs), function(*inputs), strict=True
    ):
        close(ours, theirs, name)


@needs_compiler
@pytest.mark.slow
def test_torch_compile_gives_the_same_in_one_graph() -> None:
    compiled = torch.compile(function, fullgraph=True)
    for count in (1, 100):
        inputs = moderate(count)
        for name, ours, theirs in zip(
            EVALUATE.outputs, compiled(*inputs), function(*inputs), strict=True
        ):
            close(ours, theirs, name)
