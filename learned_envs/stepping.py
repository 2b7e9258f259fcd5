"""A step of a batch of states in native code, and what it falls back on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from learned_envs.codegen.cpp import CppBatch
from learned_envs.errors import UntraceableError
from learned_envs.state import State, leaves, rebuilt

Step = Callable[[State, Tensor], Any]
"""From states and actions to tensors within dataclasses and mappings, the batch first."""


class NativeStep:
    """A step on the CPU, in native code from the first call on.

    Where gradients are recorded, where states or actions are not of (batch, n) in float32, and
    where there is no native code, the plain step is taken; the last with one warning.
    """

    def __init__(self, plain: Step, apart: Callable[[], Sequence[Step]] | None = None) -> None:
        """Prepare to derive the code.

        Args:
            plain: the step.
            apart: makes one step for each member of an ensemble, for states that remember their
                `member` and nothing else; None where each state needs every member.
        """
        self._plain, self._apart = plain, apart
        self._derived: dict[tuple[str, ...], _Derived | None] = {}

    def __call__(self, state: State, action: Tensor) -> Any:
        """Take the step."""
        names = tuple(state.memory)
        kinds = {state.q.dtype, state.v.dtype, action.dtype}
        if torch.is_grad_enabled() or action.ndim != 2 or kinds != {torch.float32}:
            return self._plain(state, action)
        if names not in self._derived:
            self._derived[names] = self._derive(state, action)
        derived = self._derived[names]
        return self._plain(state, action) if derived is None else derived(state, action)

    def _derive(self, state: State, action: Tensor) -> _Derived | None:
        apart = self._apart if state.memory.keys() == {"member"} else None
        try:
            # Steps may be taken in inference mode, whose tensors cannot be traced.
            with torch.inference_mode(False):
                return _Derived([self._plain] if apart is None else apart(), state, action)
        except (UntraceableError, RuntimeError, OSError) as error:
            warn_of(error)
            return None


def warn_of(error: Exception) -> None:
    """Warn that steps go on uncompiled."""
    first = str(error).strip().splitlines()[0]
    warnings.warn(f"No native code ({first}); stepping uncompiled.", stacklevel=5)


class _Derived:
    """The native code of a step, or of one for each member."""

    def __init__(self, steps: Sequence[Step], state: State, action: Tensor) -> None:
        names = tuple(state.memory)

        def flat(step: Step) -> Callable[..., list[Tensor]]:
            def function(q: Tensor, v: Tensor, u: Tensor, *memory: Tensor) -> list[Tensor]:
                result = step(State(q, v, dict(zip(names, memory, strict=True))), u)
                self._result = rebuilt(result, repeat(torch.empty(0)))
                return leaves(result)

            return function

        given = [state.q, state.v, action, *state.memory.values()]
        examples = [torch.zeros((1, *t.shape[1:]), dtype=t.dtype) for t in given]
        self._program = CppBatch([flat(step) for step in steps], examples)
        self._several = len(steps) > 1

    def __call__(self, state: State, action: Tensor) -> Any:
        which = state.memory["member"] if self._several else None
        given = [state.q, state.v, action, *state.memory.values()]
        return rebuilt(self._result, iter(self._program.run(given, which)))
