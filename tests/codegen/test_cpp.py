"""C++ code that is derived from torch functions gives what they give."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from marks import needs_compiler
from torch import Tensor
from traceable import FUNCTIONS, MEMBERS, OFFSET

from learned_envs.codegen.cpp import CppBatch, CppRow
from learned_envs.errors import ShapeError, UntraceableError

pytestmark = needs_compiler

WIDE = torch.linspace(-1, 1, 5 * 40).reshape(5, 40)

MORE: dict[str, Callable[[Tensor], Sequence[Tensor]]] = {
    "a wide layer": lambda x: [F.layer_norm(F.silu(x @ WIDE), (40,)) @ WIDE.T / 40],
    "as it was": lambda x: [x, x + 0, x],
}

ALL = FUNCTIONS | MORE


def everything(x: Tensor) -> list[Tensor]:
    """Apply all functions: one program, of which compiling takes most of a test's time."""
    return [result.reshape(1, -1) for function in ALL.values() for result in function(x)]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_code_gives_what_the_functions_give(threads: int, request: pytest.FixtureRequest):
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(threads)
    names = [name for name, function in ALL.items() for _ in function(torch.zeros(1, 5))]
    program = CppBatch([everything], [torch.zeros(1, 5)])
    # Less than a tile, and several of which the last is not full.
    for batch in (1, 100):
        x = torch.randn(batch, 5, generator=torch.Generator().manual_seed(batch))
        expected = [torch.cat(column) for column in zip(*map(everything, x[:, None]), strict=True)]
        for name, ours, theirs in zip(names, program.run([x]), expected, strict=True):
            # Some hundred roundings of float32 on numbers of size 1.
            message = f"{name}: {{}}".format
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=3e-5, msg=message)


def test_a_row_of_numpy_is_computed_as_a_batch_of_one():
    row = CppRow(everything, [torch.zeros(1, 5)])
    for seed in range(3):
        x = torch.randn(1, 5, generator=torch.Generator().manual_seed(seed))
        for ours, theirs in zip(row.run(x.numpy()[0]), everything(x), strict=True):
            expected = theirs.numpy().reshape(ours.shape)
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=3e-5)


def test_what_is_not_shaped_like_the_examples_is_an_error():
    program = CppBatch([lambda x, y: [x + y]], [torch.zeros(1, 5), torch.zeros(1, 5)])
    with pytest.raises(ShapeError, match="input 0"):
        program.run([torch.zeros(8, 4), torch.zeros(8, 5)])
    with pytest.raises(ShapeError, match="input 1"):
        program.run([torch.zeros(8, 5), torch.zeros(7, 5)])
    with pytest.raises(IndexError):
        program.run([torch.zeros(8, 5), torch.zeros(8, 5)], torch.ones(8, dtype=torch.long))


def test_an_example_is_one_row() -> None:
    with pytest.raises(ShapeError, match="1024 rows of example 0, expected one"):
        CppBatch([lambda x: [x + 1]], [torch.zeros(1024, 2)])


def test_each_row_is_computed_with_the_constants_of_its_own_function():
    def of_member(m: int) -> Callable[[Tensor], list[Tensor]]:
        return lambda x: [x @ MEMBERS[m], x + OFFSET[m]]

    functions = [of_member(m) for m in range(3)]
    program = CppBatch(functions, [torch.zeros(1, 5)])
    x, which = torch.randn(200, 5), torch.randint(3, (200,))
    for column, ours in enumerate(program.run([x], which)):
        theirs = torch.stack([functions[m](row)[column] for row, m in zip(x, which, strict=True)])
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_weights_in_bfloat16_round_what_they_multiply_and_nothing_else():
    weight = WIDE.bfloat16()
    program = CppBatch([lambda x: [(x.bfloat16() @ weight).float()]], [torch.zeros(1, 5)])
    x = torch.randn(50, 5)
    (product,) = program.run([x])
    # bfloat16 has three digits.
    torch.testing.assert_close(product, x @ weight.float(), rtol=1e-2, atol=1e-2)


def test_an_output_that_is_an_input_is_that_very_tensor():
    def kept(x: Tensor, index: Tensor) -> list[Tensor]:
        return [torch.where(x > 0, x, x), x + 1, torch.where(x[:, 0] > 0, index, index), x]

    program = CppBatch([kept], [torch.zeros(1, 5), torch.zeros(1, dtype=torch.long)])
    x, index = torch.randn(50, 5), torch.randint(5, (50,))
    chosen, _, same_index, same = program.run([x, index])
    assert chosen is x and same is x and same_index is index


def test_an_index_that_is_computed_chooses_among_a_few():
    def chosen(x: Tensor, index: Tensor) -> list[Tensor]:
        return [x.gather(-1, index[:, None])]

    program = CppBatch([chosen], [torch.zeros(1, 5), torch.zeros(1, dtype=torch.long)])
    x, index = torch.randn(50, 5), torch.randint(5, (50,))
    assert torch.equal(program.run([x, index])[0], x.gather(-1, index[:, None]))


@pytest.mark.parametrize("function", [lambda x: [x.double() + 1], lambda x: [x.long()]])
def test_types_that_there_is_no_code_for_are_an_error(
    function: Callable[[Tensor], Sequence[Tensor]],
) -> None:
    with pytest.raises(UntraceableError):
        CppBatch([function], [torch.zeros(1, 5)])


def test_functions_that_differ_in_more_than_constants_are_an_error():
    with pytest.raises(UntraceableError, match="differ"):
        CppBatch([lambda x: [x + 1], lambda x: [x * 2]], [torch.zeros(1, 5)])
