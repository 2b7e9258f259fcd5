"""A step of one row that comes and goes as numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.codegen.cpp import CppRow
from learned_envs.codegen.numpy_code import NumpyFunction, array_of
from learned_envs.defaults import usual_defaults
from learned_envs.errors import UntraceableError
from learned_envs.state import State
from learned_envs.stepping.way import Compile, Step, Way, say_uncompiled, ways

Array = NDArray[Any]

Columns = Callable[[Any], dict[str, Tensor]]
"""From what a step gives to the numbers and flags that are wanted of it, (batch) each."""


class RowCode:
    """The code of a step of one row, from arrays to arrays. It has no state: many may share it.

    Attributes:
        code: as text.
        memory: names of the leaves of a state's memory that go in and come out.
        names: of the columns, in the order of `values`.
        native: the C++ code; None for numpy code.
    """

    def __init__(
        self,
        way: Literal[Way.CPP, Way.NUMPY],
        step: Step,
        columns: Columns,
        state: State,
        nu: int,
    ) -> None:
        """Derive the code.

        Args:
            way: C++ code is told the member, so that it is the same code for all of them. Numpy
                code is of the state's own.
            step: in torch. Its result has an `observation`, (batch, n).
            columns: what is wanted of the result beside that.
            state: an example, q (1, nq) and v (1, nv).
            nu: how many numbers an action has.

        Raises:
            UntraceableError: if no code can be derived.
            NativeCodeError: if C++ code cannot be compiled.
        """
        cpp = way is Way.CPP
        known = set() if cpp else {"member"} & state.memory.keys()
        self.memory = tuple(name for name in state.memory if name not in known)
        self.names: tuple[str, ...] = ()

        def function(q: Tensor, v: Tensor, u: Tensor, *memory: Tensor) -> list[Tensor]:
            remembered = {name: state.memory[name] for name in known}
            remembered |= dict(zip(self.memory, memory, strict=True))
            result = step(State(q, v, remembered), u)
            after = result.state
            kept = [after.q, after.v, *(after.memory[name] for name in self.memory)]
            wanted = columns(result)
            if not cpp:
                self.names = tuple(wanted)
                return [*kept, result.observation, *wanted.values()]
            flags = {name: x for name, x in wanted.items() if x.dtype is torch.bool}
            numbers = {name: x for name, x in wanted.items() if name not in flags}
            self.names = (*numbers, *flags)
            # Whether the action is finite is told on the way.
            told = [*flags.values(), u.isfinite().all(-1)]
            packed = [torch.stack([*x], -1) for x in (numbers.values(), told)]
            return [*kept, result.observation, *packed]

        with usual_defaults():
            memory = [torch.zeros_like(state.memory[name]) for name in self.memory]
            now = [torch.zeros_like(state.q), torch.zeros_like(state.v), torch.zeros(1, nu)]
            self.native = CppRow(function, [*now, *memory]) if cpp else None
            made = self.native or NumpyFunction(function, [*now, *memory])
        self.code: str = made.source
        self.run: Callable[..., list[Array]] = made.run


def row_code(
    columns: Columns,
    nu: int,
    compile: Compile,
    native: tuple[Step, State],
    plain: tuple[Step, State],
) -> RowCode | None:
    """Return the code of a step of one row; None if torch must take the step.

    Args:
        columns: see `RowCode`.
        nu: see `RowCode`.
        compile: whether it is to be compiled.
        native: the step and an example of its states as native code takes it.
        plain: the same for numpy code.
    """
    for way in ways(plain[1].q.device, "row", compile):
        try:
            if way is Way.CPP:
                return RowCode(way, native[0], columns, native[1], nu)
            if way is Way.NUMPY:
                return RowCode(way, plain[0], columns, plain[1], nu)
        except (UntraceableError, RuntimeError, OSError) as error:
            if way is Way.CPP:
                say_uncompiled(error, compile)
            elif not isinstance(error, UntraceableError):
                raise
    return None


class NumpyRow:
    """One row that numpy code steps.

    Attributes:
        code: what steps it.
        arrays: where the row is: q, v and memory, without a dimension of the batch.
    """

    def __init__(self, code: RowCode) -> None:
        """Prepare to step by some code."""
        self.code, self.arrays = code, list[Array]()

    def place(self, tensors: Sequence[Tensor]) -> None:
        """Go on from q, v and the memory of a state, (1, ...) each."""
        self.arrays = [array_of(tensor) for tensor in tensors]

    def step(self, action: Array) -> tuple[Array, list[Any]]:
        """Advance; the action is float32 and finite.

        Returns:
            The observation, float32, and the columns in the order of `code.names`.
        """
        q, v, *memory = self.arrays
        after = self.code.run(q, v, action, *memory)
        kept = len(self.arrays)
        self.arrays = after[:kept]
        return after[kept], [column.item() for column in after[kept + 1 :]]


class NativeRow:
    """One row that native code steps, in memory that it uses again at every step.

    The state lies in one of two places, and each step goes from one to the other.

    Attributes:
        code: what steps it.
        action: what the next step takes, float32.
    """

    def __init__(self, code: RowCode, native: CppRow) -> None:
        """Prepare to step by some code, which is native."""
        self.code = code
        q, v, self.action, *memory = native.inputs()
        here = [q, v, *memory]
        there = [array.copy() for array in here]
        self._results = native.outputs()[len(here) :]
        self._at, self._states = 0, (here, there)
        self._calls = [
            native.call([a[0], a[1], self.action, *a[2:]], [*b, *self._results])
            for a, b in ((here, there), (there, here))
        ]

    @property
    def arrays(self) -> list[Array]:
        """Where the row is; see `NumpyRow`."""
        return self._states[self._at]

    def place(self, tensors: Sequence[Tensor]) -> None:
        """Go on from q, v and the memory of a state, (1, ...) each."""
        for place, tensor in zip(self.arrays, tensors, strict=True):
            place[:] = tensor.detach().numpy()[0]

    def step(self) -> tuple[Array, list[Any]] | None:
        """Advance by the action that is in `action`.

        Returns:
            The observation, float32, in memory that is used again, and the columns in the order of
            `code.names`. None if the action is not finite; nothing has changed then.
        """
        call, copies = self._calls[self._at]
        call()
        observation, numbers, flags = self._results
        *told, finite = flags.tolist()
        if not finite:
            return None
        for source, target in copies:
            target[:] = source
        self._at = 1 - self._at
        return observation, numbers.tolist() + told
