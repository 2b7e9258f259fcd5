"""One episode, stepped by code of its own where its model can be written so."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from learned_envs.codegen.cpp import CppRow
from learned_envs.codegen.numpy_code import NumpyFunction, array_of
from learned_envs.envs.argument import array
from learned_envs.envs.batch import Array, to_host
from learned_envs.envs.core import EnvCore
from learned_envs.errors import ActionError, UntraceableError
from learned_envs.state import State
from learned_envs.stepping import warn_of

SIGNALS = ("reward", "terminated", "truncated")


class SingleStepper:
    """An episode at a batch of one, where torch's overhead would be most of a step.

    Numpy code is derived from the torch code that batches run, anew for each member of the
    ensemble that an episode has; see `NumpyFunction`. Where it is to be compiled it is C++ code,
    the same for all members; see `CppRow`. On other devices, and for models that no code can be
    derived from, torch steps.
    """

    def __init__(self, episodes: EnvCore, state: State) -> None:
        """Prepare to step from a state, q (1, nq) and v (1, nv)."""
        self._episodes = episodes
        self._codes: dict[int | None, _Code | None] = {}
        self._shape = (episodes.task.spec.nu,)
        self.begin(state)

    @property
    def state(self) -> State:
        """Where the system is, with a batch of one."""
        if self._code is None:
            return self._state
        begun = self._tensors(self._code, self._state)
        now = [torch.from_numpy(a).view(t.shape) for a, t in zip(self._arrays, begun, strict=True)]
        remembered = zip(self._code.memory, now[2:], strict=True)
        return State(now[0], now[1], {**self._state.memory, **dict(remembered)})

    @property
    def source(self) -> str | None:
        """The code of a step; None where torch steps."""
        return None if self._code is None else self._code.source

    def begin(self, state: State) -> None:
        """Go on from another state, with the member that it remembers."""
        member = state.memory.get("member")
        key = None if member is None else int(member)
        if key not in self._codes:
            self._codes[key] = _code(self._episodes, state, key)
        self._state, self._code = state, self._codes[key]
        if self._code is not None:
            self._arrays = [array_of(tensor) for tensor in self._tensors(self._code, state)]

    def step(self, action: Any) -> tuple[Array, dict[str, Any]]:
        """Advance by one step; see `EnvCore.action` for the errors.

        Returns:
            The observation, float64, and by name `SIGNALS` and the info.
        """
        code = self._code
        if code is None or isinstance(action, Tensor):
            action = self._episodes.action(action, ())
        if code is None:
            return self._step_in_torch(action)
        if isinstance(action, Tensor):
            action = action.numpy()
        checked = array("an action", action, self._shape, ActionError)
        q, v, *memory = self._arrays
        observation, *rest = code.run(q, v, checked, *memory)
        kept = len(self._arrays)
        self._arrays = rest[:kept]
        numbers = {n: x.item() for n, x in zip(code.names, rest[kept:], strict=True)}
        return observation.astype(np.float64), numbers

    @staticmethod
    def _tensors(code: _Code, state: State) -> list[Tensor]:
        """List what the code takes beside the action."""
        return [state.q, state.v, *(state.memory[name] for name in code.memory)]

    @torch.no_grad()
    def _step_in_torch(self, action: Tensor) -> tuple[Array, dict[str, Any]]:
        outcome = self._episodes.step(self._state, action[None])
        self._state = outcome.state
        signals = {name: getattr(outcome, name) for name in SIGNALS}
        observation, host = to_host(outcome.observation, {**signals, **outcome.info})
        return observation[0], {name: value.item() for name, value in host.items()}


class _Code:
    """The code of a step with one member.

    Attributes:
        memory: names of what the model remembers, behind q and v among the program's inputs, and
            behind the observation among its outputs.
        names: of the numbers that come last.
        source: the code.
        run: the code as a function of q, v, action and memory.
    """

    def __init__(self, episodes: EnvCore, state: State, member: int | None, compiled: bool) -> None:
        # Compiled code is told the member, so that it is the same code for all of them.
        self.memory = tuple(name for name in state.memory if compiled or name != "member")
        self.names: tuple[str, ...] = ()
        own = episodes
        if member is not None and state.memory.keys() == {"member"}:
            # Of the only one there is, where the others are not needed.
            own = episodes.with_member(member)
        index = member if own is episodes else 0
        known = {} if index is None or compiled else {"member": torch.tensor([index])}

        def step(q: Tensor, v: Tensor, action: Tensor, *memory: Tensor) -> list[Tensor]:
            before = State(q, v, {**known, **dict(zip(self.memory, memory, strict=True))})
            outcome = own.step(before, action)
            after = outcome.state
            columns = {name: getattr(outcome, name) for name in SIGNALS} | outcome.info
            self.names = tuple(columns)
            kept = [after.q, after.v, *(after.memory[name] for name in self.memory)]
            return [outcome.observation, *kept, *columns.values()]

        action = torch.zeros(1, episodes.task.spec.nu)
        remembered = (torch.zeros_like(state.memory[name]) for name in self.memory)
        examples = (state.q, state.v, action, *remembered)
        program = CppRow(step, examples) if compiled else NumpyFunction(step, examples)
        self.source, self.run = program.source, program.run


def _code(episodes: EnvCore, state: State, member: int | None) -> _Code | None:
    """Derive the code; None where torch must step."""
    if state.q.device.type != "cpu":
        return None
    if episodes.native:
        try:
            return _Code(episodes, state, member, compiled=True)
        except (UntraceableError, RuntimeError, OSError) as error:
            warn_of(error)
    try:
        return _Code(episodes, state, member, compiled=False)
    except UntraceableError:
        return None
