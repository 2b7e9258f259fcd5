"""What keeps a step from being code of our own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from learned_envs.codegen.cpp import written
from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.errors import UntraceableError
from learned_envs.state import State, leaves
from learned_envs.stepping.way import Step

CODES = ("C++, batch", "C++, row", "numpy, row")
"""The kinds of code that a step may have on a CPU."""


def obstacles(step: Step, state: State, nu: int, member: Step | None = None) -> dict[str, str]:
    """Say which kinds of code a step cannot have, and why. Nothing is compiled.

    Args:
        step: in torch.
        state: an example, q (1, nq) and v (1, nv).
        nu: how many numbers an action has.
        member: the step of the state's own member of an ensemble, as C++ code of a row takes it;
            None if that takes the same.

    Returns:
        What stops each of those `CODES` that cannot be written, in a line.
    """
    found = {}
    action = torch.zeros(1, nu)
    for kind, own in zip(CODES, (step, member or step, step), strict=True):
        function, examples = _flat(own, state, action, known=kind.startswith("numpy"))
        try:
            if kind.startswith("numpy"):
                NumpyFunction(function, examples)
            else:
                written(function, examples, alone=kind.endswith("row"))
        except (UntraceableError, RuntimeError) as error:
            found[kind] = (str(error).strip() or type(error).__name__).splitlines()[0]
    return found


def _flat(
    step: Step, state: State, action: Tensor, *, known: bool
) -> tuple[Callable[..., list[Tensor]], list[Tensor]]:
    """Return a step as a function of tensors, and examples; the member may be known."""
    fixed = {"member"} & state.memory.keys() if known else set()
    names = tuple(name for name in state.memory if name not in fixed)

    def function(q: Tensor, v: Tensor, u: Tensor, *memory: Tensor) -> list[Tensor]:
        remembered = {name: state.memory[name] for name in fixed}
        remembered |= dict(zip(names, memory, strict=True))
        result = step(State(q, v, remembered), u)
        return [x for x in leaves(result) if not any(x is own for own in remembered.values())]

    given = [state.q, state.v, action, *(state.memory[name] for name in names)]
    return function, [torch.zeros_like(x) for x in given]
