"""One episode, stepped by code of its own if its model can be written so."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from learned_envs.arrays import array
from learned_envs.envs.core import EnvCore
from learned_envs.envs.infos import Array, to_host
from learned_envs.envs.step import SIGNALS, Columns, EnvStep
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
        self._rows: dict[int | None, NumpyRow | NativeRow | None] = {}
        self.place(state)

    @property
    def state(self) -> State:
        """Where the system is, with a batch of one."""
        if self._row is None:
            return self._state
        placed = self._tensors(self._row.code, self._state)
        arrays = zip(self._row.arrays, placed, strict=True)
        now = [torch.from_numpy(a.copy()).view(t.shape) for a, t in arrays]
        remembered = zip(self._row.code.memory, now[2:], strict=True)
        return State(now[0], now[1], {**self._state.memory, **dict(remembered)})

    @property
    def code(self) -> str | None:
        """The code of a step; None if torch steps."""
        return None if self._row is None else self._row.code.code

    def place(self, state: State) -> None:
        """Go on from another state, with the member that it remembers."""
        member = state.memory.get("member")
        key = None if member is None else int(member)
        if key not in self._rows:
            self._rows[key] = self._made(state, key)
        self._state, self._row = state, self._rows[key]
        if self._row is not None:
            self._row.place(self._tensors(self._row.code, state))

    def step(self, action: Any) -> tuple[Array, dict[str, Any]]:
        """Advance by one step; see `EnvCore.action` for the errors.

        Returns:
            The observation, float64, and by name `SIGNALS` and the info.
        """
        row = self._row
        if row is None:
            return self._step_in_torch(self._core.action(action, ()).detach())
        if isinstance(row, NativeRow):
            plain = type(action) is np.ndarray and action.dtype == np.float32
            if not plain or action.shape != self._shape:
                action = self._checked(action)
            row.action[:] = action
            given = row.step()
            if given is None:
                # For its error.
                row.action[:] = self._checked(action)
                given = row.step()
                assert given is not None
        else:
            given = row.step(self._checked(action))
        observation, values = given
        return observation.astype(self._core.dtype), dict(zip(row.code.names, values, strict=True))

    def _checked(self, action: Any) -> Array:
        if isinstance(action, Tensor):
            action = self._core.action(action, ()).detach().numpy()
        return array("an action", action, self._shape, ActionError)

    def _made(self, state: State, key: int | None) -> NumpyRow | NativeRow | None:
        """Return a row of code that this environment derived, or another like it."""
        code = self._core.share.get(("row", key), lambda: self._derived(state))
        if code is None:
            return None
        return NumpyRow(code) if code.native is None else NativeRow(code, code.native)

    def _derived(self, state: State) -> RowCode | None:
        function = self._core.function
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
        return observation[0].astype(self._core.dtype, copy=False), {
            name: value.item() for name, value in host.items()
        }


def _columns(step: EnvStep) -> Columns:
    return {**{name: getattr(step, name) for name in SIGNALS}, **step.info}
