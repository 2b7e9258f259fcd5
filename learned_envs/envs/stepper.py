"""One episode, stepped by code of its own if its model can be written so."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from learned_envs.arrays import array
from learned_envs.codegen.numpy_code import array_of
from learned_envs.envs.core import EnvCore
from learned_envs.envs.infos import Array, to_host
from learned_envs.envs.step import SIGNALS, Columns, EnvStep, StepFunction
from learned_envs.errors import ActionError
from learned_envs.state import State
from learned_envs.stepping import NativeRow, NumpyRow, RowCode, row_code


class SingleStepper:
    """An episode at a batch of one, where torch's overhead would be most of a step.

    `learned_envs.stepping` says which code steps it, anew for each member of the ensemble that an
    episode has. If there is none, torch steps.
    """

    def __init__(self, core: EnvCore, state: State) -> None:
        """Prepare to step from a state, q (1, nq) and v (1, nv)."""
        self._core = core
        self._shape = (core.task.spec.nu,)
        self._codes: dict[int | None, tuple[RowCode, RowCode] | None] = {}
        self._rows: dict[tuple[RowCode, RowCode], NativeRow] = {}
        self.place(state)

    @property
    def state(self) -> State:
        """Where the system is, with a batch of one."""
        if self._code is None:
            return self._state
        placed = self._tensors(self._code, self._state)
        arrays = zip(self._row.arrays, placed, strict=True)
        now = [torch.from_numpy(a.copy()).view(t.shape) for a, t in arrays]
        remembered = zip(self._code.memory, now[2:], strict=True)
        return State(now[0], now[1], {**self._state.memory, **dict(remembered)})

    @property
    def code(self) -> str | None:
        """The code of a step with all that is measured; None if torch steps."""
        return None if self._code is None else self._code.code

    def place(self, state: State) -> None:
        """Go on from another state, with the member that it remembers."""
        member = state.memory.get("member")
        key = None if member is None else int(member)
        if key not in self._codes:
            self._codes[key] = self._both(state, key)
        self._state, codes = state, self._codes[key]
        self._code = None if codes is None else codes[0]
        if codes is None:
            return
        self._other = codes[1]
        placed = self._tensors(codes[0], state)
        arrays = [tensor.detach().numpy()[0] for tensor in placed]
        if codes[0].native is None:
            self._row: NumpyRow | NativeRow = NumpyRow([array_of(tensor) for tensor in placed])
        elif codes in self._rows:
            self._row = self._rows[codes]
            self._row.place(arrays)
        else:
            self._row = self._rows[codes] = NativeRow(arrays, codes)
        spaced = self._core.function.every > 1
        self._clock = 2 + codes[0].memory.index("until_measured") if spaced else None

    def step(self, action: Any) -> tuple[Array, dict[str, Any]]:
        """Advance by one step; see `EnvCore.action` for the errors.

        Returns:
            The observation, float64, and by name `SIGNALS` and the info.
        """
        if self._code is None:
            return self._step_in_torch(self._core.action(action, ()).detach())
        row, clock = self._row, self._clock
        due = clock is None or row.arrays[clock].item() < 1
        code = self._code if due else self._other
        if isinstance(row, NativeRow):
            plain = type(action) is np.ndarray and action.dtype == np.float32
            if not plain or action.shape != self._shape:
                action = self._checked(action)
            row.action[:] = action
            given = row.step(code)
            if given is None:
                # For its error.
                row.action[:] = self._checked(action)
                given = row.step(code)
                assert given is not None
        else:
            given = row.step(code, self._checked(action))
        observation, values = given
        return observation.astype(np.float64), dict(zip(code.names, values, strict=True))

    def _checked(self, action: Any) -> Array:
        if isinstance(action, Tensor):
            action = self._core.action(action, ()).detach().numpy()
        return array("an action", action, self._shape, ActionError)

    def _both(self, state: State, member: int | None) -> tuple[RowCode, RowCode] | None:
        """Return the code that measures all that is due, and the one for steps where nothing is."""
        function = self._core.function
        full = self._shared(function, state, member)
        if full is None or function.every == 1:
            return None if full is None else (full, full)
        other = self._shared(function.without_disagreement(), state, member)
        alike = other is not None and (other.native is None) == (full.native is None)
        # The first can take every step.
        return (full, other) if alike and other is not None else (full, full)

    def _shared(self, function: StepFunction, state: State, key: int | None) -> RowCode | None:
        """Return the code of a step, derived by this environment or another like it."""
        share = self._core.share.within(function.disagreement)
        return share.get(("row", key), lambda: self._derived(function, state))

    def _derived(self, function: StepFunction, state: State) -> RowCode | None:
        native, own = (function, state), state.memory.get("member")
        if own is not None and (function.apart or function.judged):
            zero = state.remember(member=torch.zeros_like(own))
            native = function.with_member(int(own)), zero
        plain = native if function.apart else (function, state)
        compile, nu = self._core.options.compile, self._shape[0]
        return row_code(_columns, nu, compile, native, plain)

    @staticmethod
    def _tensors(code: RowCode, state: State) -> list[Tensor]:
        """List what the code takes beside the action."""
        return [state.q, state.v, *(state.memory[name] for name in code.memory)]

    @torch.no_grad()
    def _step_in_torch(self, action: Tensor) -> tuple[Array, dict[str, Any]]:
        step = self._core.advance(self._state, action[None])
        self._state = step.state
        observation, host = to_host(step.observation, _columns(step))
        return observation[0], {name: value.item() for name, value in host.items()}


def _columns(step: EnvStep) -> Columns:
    return {**{name: getattr(step, name) for name in SIGNALS}, **step.info}
