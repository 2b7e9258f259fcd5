"""The multilayer perceptron that the families share, one or many at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_envs.errors import UnknownNameError

EPSILON = 1e-5
"""Added to the variance by layer normalisation: torch's default."""


_shapes_alone: ContextVar[bool] = ContextVar("_shapes_alone", default=False)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Make networks whose weights have shapes and no memory yet.

    So a model can be compared with a file, or be counted, however large it is. Its state is loaded
    with `assign=True`.
    """
    token = _shapes_alone.set(True)
    try:
        yield
    finally:
        _shapes_alone.reset(token)


class Linear(nn.Module):
    """An affine map, or one for each member along a leading axis, in one batched product."""

    bias: Tensor

    def __init__(
        self, inputs: int, outputs: int, members: int | None = None, offset: bool = True
    ) -> None:
        super().__init__()
        lead = () if members is None else (members,)
        bound = 1 / math.sqrt(inputs)
        device = "meta" if _shapes_alone.get() else None
        weight = torch.empty(*lead, inputs, outputs, device=device)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        bias = torch.empty(*lead, 1, outputs, device=device).uniform_(-bound, bound)
        if offset:
            self.bias = nn.Parameter(bias)
        else:
            zeros = torch.zeros(bias.shape, dtype=bias.dtype)
            self.register_buffer("bias", zeros, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (*batch, inputs), or (members or 1, *batch, inputs), to as many outputs."""
        if self.weight.ndim == 2:
            return F.linear(x, self.weight.mT, self.bias[0])
        members, _, outputs = self.weight.shape
        flat = x.reshape(x.shape[0], -1, x.shape[-1]).expand(members, -1, -1)
        if torch.is_grad_enabled() or x.is_cuda:
            mapped = torch.baddbmm(self.bias, flat, self.weight)
        else:
            # A few threads share one large product better than a few batched ones.
            mapped = flat.new_empty(members, flat.shape[1], outputs)
            for own, bias, rows, weight in zip(mapped, self.bias, flat, self.weight, strict=True):
                torch.addmm(bias, rows, weight, out=own)
        return mapped.reshape(members, *x.shape[1:-1], outputs)


class MLP(nn.Module):
    """Linear layers with nonlinearities between them.

    With "silu", layer normalisation follows the nonlinearity. It has no weights of its own, because
    the next linear map would absorb them. Without it, errors of rollouts explode off the data
    (NEUBAY). With "tanh" there is none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int],
        members: int | None = None,
        activation: str = "silu",
        offset: bool = True,
    ) -> None:
        """Make the layers with random weights.

        Args:
            inputs: size of what is mapped.
            outputs: size of what it is mapped to.
            hidden: widths of the layers between.
            members: how many networks there are, side by side; None for a single one.
            activation: a key of `ACTIVATIONS`.
            offset: whether the outputs have a bias; an energy needs none.

        Raises:
            UnknownNameError: if there is no such activation.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        sizes = [inputs, *hidden, outputs]
        self.activate = ACTIVATIONS[activation]
        self.layers = nn.ModuleList(
            Linear(before, after, members, offset or index < len(hidden))
            for index, (before, after) in enumerate(pairwise(sizes))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (*batch, inputs), or (members or 1, *batch, inputs), to as many outputs.

        The layers may be in bfloat16. The output has the type of the input.
        """
        *hidden, last = self.layers
        output: Tensor = x.to(next(last.parameters()).dtype)
        for layer in hidden:
            output = self.activate(layer(output))
        output = last(output)
        return output.to(x.dtype)


def _silu(x: Tensor) -> Tensor:
    if torch.is_grad_enabled() or x.is_cuda:
        return F.layer_norm(F.silu(x), x.shape[-1:])
    # The same as layer_norm, in half its time on a CPU.
    x = F.silu(x, inplace=True)
    x.sub_(x.mean(-1, keepdim=True))
    square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square()
    return x.mul_(torch.rsqrt(square / x.shape[-1] + EPSILON))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": _silu, "tanh": torch.tanh}
