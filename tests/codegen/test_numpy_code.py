"""Numpy code that is derived from torch functions gives what they give."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from traceable import FUNCTIONS, OFFSET

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


def test_what_is_known_is_not_computed_again() -> None:
    program = NumpyFunction(lambda x: [x + (OFFSET.sin() + 1).exp(), x + 0.0], [torch.randn(1, 5)])
    assert program.source.count("+") == 1
    assert "sin" not in program.source


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x.cumsum(-1)],
        lambda x: [x if x.sum() > 0 else -x],
        lambda x: [x[:, ::2]],
        lambda x: [torch.add(x, x, alpha=2)],
        lambda x: [2.0**x, x**x],
    ],
)
def test_what_cannot_be_written_is_an_error(function: Callable[[Tensor], Sequence[Tensor]]) -> None:
    with pytest.raises(UntraceableError):
        NumpyFunction(function, [torch.randn(1, 5)])
