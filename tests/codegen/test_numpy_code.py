"""Numpy code that is derived from torch functions gives what they give."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from traceable import FUNCTIONS, MEMBERS, OFFSET

from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.errors import UntraceableError


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_code_gives_what_the_function_gives(name: str) -> None:
    function = FUNCTIONS[name]
    program = NumpyFunction(function, [torch.randn(1, 5)])
    for seed in range(3):
        x = torch.randn(1, 5, generator=torch.Generator().manual_seed(seed))
        results = program.run(x.numpy()[0])
        for result, expected in zip(results, function(x), strict=True):
            assert result.ndim >= 1
            # Some hundred roundings of float32 on numbers of size 1.
            np.testing.assert_allclose(
                result, expected.numpy().reshape(result.shape), rtol=1e-5, atol=1e-5
            )


def test_what_constants_scale_and_shift_is_written_down_once() -> None:
    program = NumpyFunction(lambda x: [((x - OFFSET) / 2 + 1) * 3, x + 0.0], [torch.randn(1, 5)])
    assert program.source.count(" * ") == program.source.count(" + ") == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x.gather(-1, (x > 0).long())],
        lambda x: [x @ (x[..., None] * MEMBERS[:, 0, :1, None])],
        lambda x: [x.bfloat16().float()],
    ],
)
def test_what_cannot_be_written_is_an_error(function: Callable[[Tensor], Sequence[Tensor]]) -> None:
    with pytest.raises(UntraceableError):
        NumpyFunction(function, [torch.randn(1, 5)])
