"""How a step is taken: the one place that decides.

A step is written once, in torch, and there are faster ways to take it. `WAYS` lists them for each
case, the best first; the first that can take a step takes it. Code cannot be derived from every
step, and it takes batches of (batch, n) in float32 alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cached_property
from itertools import repeat
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from learned_envs.codegen.cpp import CppBatch, CppRow
from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.defaults import usual_defaults
from learned_envs.errors import UntraceableError
from learned_envs.state import State, joined, leaves, rebuilt

CACHED_ROWS = 6144
"""States, counted once for each member that steps them, that a CPU steps at once: more would leave
its cache."""

Step = Callable[[State, Tensor], Any]
"""From states and actions, the batch first, to a dataclass of tensors. Its first field is the
`state` after the step."""

F = TypeVar("F", bound=Callable[..., Any])


class Way(Enum):
    """What takes a step."""

    TORCH = "torch, one operation after the other"
    PIECES = "torch, so much of a large batch at a time as the cache holds"
    TORCH_COMPILE = "code that torch.compile makes"
    CPP = "C++ code that is derived from the step"
    NUMPY = "numpy code that is derived from the step"


WAYS: dict[tuple[str, str, bool], tuple[Way, ...]] = {
    # device, rows, compile: ways, the best first
    ("cpu", "batch", False): (Way.PIECES, Way.TORCH),
    ("cpu", "batch", True): (Way.CPP, Way.PIECES, Way.TORCH),
    ("cpu", "row", False): (Way.NUMPY, Way.TORCH),
    ("cpu", "row", True): (Way.CPP, Way.NUMPY, Way.TORCH),
    ("other", "batch", False): (Way.TORCH,),
    ("other", "batch", True): (Way.TORCH_COMPILE,),
    ("other", "row", False): (Way.TORCH,),
    ("other", "row", True): (Way.TORCH_COMPILE,),
}


def ways(
    device: torch.device, rows: Literal["batch", "row"], compile: bool, gradients: bool = False
) -> tuple[Way, ...]:
    """List the ways to take a step, the best first.

    Args:
        device: where it is taken.
        rows: a batch, or one row that comes and goes as numpy arrays.
        compile: whether it is to be compiled.
        gradients: whether gradients are recorded, for which a CPU needs torch.
    """
    if device.type == "cpu":
        return (Way.TORCH,) if gradients else WAYS["cpu", rows, compile]
    return WAYS["other", rows, compile]


class BatchStep:
    """A step of a batch, taken the best way that there is."""

    def __init__(
        self,
        step: Step,
        *,
        compile: bool,
        copies: Callable[[State], int] | None = None,
        apart: Callable[[], Sequence[Step]] | None = None,
    ) -> None:
        """Prepare to step.

        Args:
            step: the step in torch.
            compile: whether it is to be compiled.
            copies: how many times the step computes the motion of each of some states; None if it
                is not to be taken in pieces.
            apart: makes one step for each member of an ensemble, for states that remember their
                `member`; None if each state needs every member.
        """
        self._step, self._compile = step, compile
        self._copies, self._apart = copies, apart
        self._codes: dict[tuple[str, ...], _BatchCode | None] = {}

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
        """Return the code for such states, derived when they are first met."""
        kinds = {state.q.dtype, state.v.dtype, action.dtype}
        if action.ndim != 2 or kinds != {torch.float32}:
            return None
        names = tuple(state.memory)
        if names not in self._codes:
            self._codes[names] = self._derived(state, action)
        return self._codes[names]

    def _derived(self, state: State, action: Tensor) -> _BatchCode | None:
        apart = self._apart if "member" in state.memory else None
        try:
            # Steps may be taken in inference mode, whose tensors cannot be traced.
            with usual_defaults():
                return _BatchCode([self._step] if apart is None else apart(), state, action)
        except (UntraceableError, RuntimeError, OSError) as error:
            _warn(error)
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
        which = state.memory["member"] if self._several else None
        given = [state.q, state.v, action, *state.memory.values()]
        return rebuilt(self._result, iter(self._program.run(given, which)))


class RowCode:
    """The code of a step of one row, from arrays to arrays.

    Attributes:
        code: as text.
        memory: names of the leaves of a state's memory that go in and come out.
        result: what a step gives, with tensors that hold nothing.
        run: from q, v, the action and the memory to a list: q, v and the memory after the step,
            and then what else the step gives, in the order of `leaves`.
    """

    def __init__(self, way: Literal[Way.CPP, Way.NUMPY], step: Step, state: State, nu: int) -> None:
        """Derive the code.

        Args:
            way: C++ code is told the member, so that it is the same code for all of them. Numpy
                code is of the state's own.
            step: in torch.
            state: an example, q (1, nq) and v (1, nv).
            nu: how many numbers an action has.

        Raises:
            UntraceableError: if no code can be derived.
            RuntimeError: if C++ code cannot be compiled.
        """
        known = {"member"} & state.memory.keys() if way is Way.NUMPY else set()
        self.memory = tuple(name for name in state.memory if name not in known)

        def function(q: Tensor, v: Tensor, u: Tensor, *memory: Tensor) -> list[Tensor]:
            remembered = {name: state.memory[name] for name in known}
            remembered |= dict(zip(self.memory, memory, strict=True))
            result = step(State(q, v, remembered), u)
            self.result = rebuilt(result, repeat(torch.empty(0)))
            after = result.state
            kept = [after.q, after.v, *(after.memory[name] for name in self.memory)]
            return kept + leaves(result)[len(leaves(after)) :]

        with usual_defaults():
            memory = [torch.zeros_like(state.memory[name]) for name in self.memory]
            now = [torch.zeros_like(state.q), torch.zeros_like(state.v), torch.zeros(1, nu)]
            derived = (CppRow if way is Way.CPP else NumpyFunction)(function, [*now, *memory])
        self.code, self.run = derived.source, derived.run


def row_code(step: Step, state: State, nu: int, compile: bool) -> RowCode | None:
    """Return the code of a step of one row, see `RowCode`; None if torch must take the step."""
    for way in ways(state.q.device, "row", compile):
        try:
            if way is Way.CPP or way is Way.NUMPY:
                return RowCode(way, step, state, nu)
        except UntraceableError as error:
            if way is Way.CPP:
                _warn(error)
        except (RuntimeError, OSError) as error:
            if way is not Way.CPP:
                raise
            _warn(error)
    return None


def _warn(error: Exception) -> None:
    first = str(error).strip().splitlines()[0]
    warnings.warn(f"No native code ({first}); stepping uncompiled.", stacklevel=6)


def compiled(function: F, **settings: Any) -> F:
    """Return `function` compiled, or as it is if the first call shows that it cannot be.

    Without a C++ compiler that call raises, even if compiled code is cached: then a warning says
    so, once, and the plain function runs from there on.

    Args:
        function: from tensors to tensors.
        settings: those of `torch.compile`.
    """

    def own(*arguments: Any) -> Any:
        return function(*arguments)

    # Torch allows so many compilations for each code object, and this one would be everybody's.
    own.__code__ = own.__code__.replace()
    fast = torch.compile(own, **settings)
    chosen: list[Callable[..., Any]] = []

    def run(*arguments: Any) -> Any:
        if not chosen:
            try:
                result = fast(*arguments)
                chosen.append(fast)
                return result
            except (RuntimeError, TorchDynamoException) as error:
                first = str(error).strip().splitlines()[0]
                warnings.warn(f"torch.compile failed ({first}); running uncompiled.", stacklevel=2)
                chosen.append(function)
        return chosen[0](*arguments)

    return run  # type: ignore[return-value]
