"""A step of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from learned_envs.codegen.cpp import CppBatch
from learned_envs.defaults import usual_defaults
from learned_envs.errors import UntraceableError
from learned_envs.state import State, joined, leaves, rebuilt
from learned_envs.stepping.sharing import Share
from learned_envs.stepping.torch_compile import compiled
from learned_envs.stepping.way import CACHED_ROWS, Compile, Step, Way, say_uncompiled, ways


class BatchStep:
    """A step of a batch, taken the best way that there is."""

    def __init__(
        self,
        step: Step,
        *,
        compile: Compile,
        copies: Callable[[State], int] | None = None,
        apart: Callable[[], Sequence[Step]] | None = None,
        share: Share | None = None,
    ) -> None:
        """Prepare to step.

        Args:
            step: the step in torch.
            compile: whether it is to be compiled.
            copies: how many times the step computes the motion of each of some states; None if it
                is not to be taken in pieces.
            apart: makes one step for each member of an ensemble, for states that remember their
                `member`; None if each state needs every member.
            share: where codes are shared; None for nowhere.
        """
        self._step, self._compile = step, compile
        self._copies, self._apart = copies, apart
        self._share = Share() if share is None else share

    def __call__(self, state: State, action: Tensor) -> Any:
        """Take the step."""
        for way in ways(action.device, "batch", self._compile, torch.is_grad_enabled()):
            if (step := self._by(way, state, action)) is not None:
                return step(state, action)
        raise AssertionError("Torch can take every step.")

    @cached_property
    def _compiled(self) -> Step:
        return compiled(self._step, fullgraph=True, dynamic=True)

    def _by(self, way: Way, state: State, action: Tensor) -> Step | None:
        """Return what takes a step this way; None if nothing can."""
        match way:
            case Way.CPP:
                return self._code(state, action)
            case Way.PIECES:
                small = self._copies is None or action.ndim != 2
                return None if small else self._in_pieces
            case Way.TORCH_COMPILE:
                return self._compiled
        return self._step

    def _in_pieces(self, state: State, action: Tensor) -> Any:
        count = CACHED_ROWS // (1 if self._copies is None else self._copies(state))
        if len(action) <= count:
            return self._step(state, action)
        cuts = [slice(start, start + count) for start in range(0, len(action), count)]
        return joined([self._step(state[cut], action[cut]) for cut in cuts])

    def _code(self, state: State, action: Tensor) -> _BatchCode | None:
        """Return the C++ code for such states, derived when they are first met; None if none is."""
        kinds = {state.q.dtype, state.v.dtype, action.dtype}
        if action.ndim != 2 or kinds != {torch.float32}:
            return None
        memory = ((name, leaf.dtype, leaf.shape[1:]) for name, leaf in state.memory.items())
        return self._share.get(("batch", *memory), lambda: self._derived(state, action))

    def _derived(self, state: State, action: Tensor) -> _BatchCode | None:
        apart = self._apart if "member" in state.memory else None
        try:
            # Steps may be taken in inference mode, whose tensors cannot be traced.
            with usual_defaults():
                return _BatchCode([self._step] if apart is None else apart(), state, action)
        except (UntraceableError, RuntimeError, OSError) as error:
            say_uncompiled(error, self._compile)
            return None


class _BatchCode:
    """The C++ code of a step, or of one for each member."""

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
        """Take the step."""
        which = state.memory["member"] if self._several else None
        given = [state.q, state.v, action, *state.memory.values()]
        return rebuilt(self._result, iter(self._program.run(given, which)))
