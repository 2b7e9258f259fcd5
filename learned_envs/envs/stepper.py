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
from learned_envs.envs.step import SIGNALS
from learned_envs.errors import ActionError
from learned_envs.state import State
from learned_envs.stepping import RowCode, row_code


class SingleStepper:
    """An episode at a batch of one, where torch's overhead would be most of a step.

    `learned_envs.stepping` says which code steps it, anew for each member of the ensemble that an
    episode has. If there is none, torch steps.
    """

    def __init__(self, core: EnvCore, state: State) -> None:
        """Prepare to step from a state, q (1, nq) and v (1, nv)."""
        self._core = core
        self._codes: dict[int | None, RowCode | None] = {}
        self._shape = (core.task.spec.nu,)
        self.place(state)

    @property
    def state(self) -> State:
        """Where the system is, with a batch of one."""
        if self._code is None:
            return self._state
        placed = self._tensors(self._code, self._state)
        now = [torch.from_numpy(a).view(t.shape) for a, t in zip(self._arrays, placed, strict=True)]
        remembered = zip(self._code.memory, now[2:], strict=True)
        return State(now[0], now[1], {**self._state.memory, **dict(remembered)})

    @property
    def code(self) -> str | None:
        """The code of a step; None if torch steps."""
        return None if self._code is None else self._code.code

    def place(self, state: State) -> None:
        """Go on from another state, with the member that it remembers."""
        member = state.memory.get("member")
        key = None if member is None else int(member)
        if key not in self._codes:
            self._codes[key] = self._derived(state, key)
        self._state, self._code = state, self._codes[key]
        if self._code is not None:
            self._arrays = [array_of(tensor) for tensor in self._tensors(self._code, state)]
            self._names = (*SIGNALS, *self._code.result.info)

    def step(self, action: Any) -> tuple[Array, dict[str, Any]]:
        """Advance by one step; see `EnvCore.action` for the errors.

        Returns:
            The observation, float64, and by name `SIGNALS` and the info.
        """
        code = self._code
        if code is None or isinstance(action, Tensor):
            action = self._core.action(action, ()).detach()
        if code is None:
            return self._step_in_torch(action)
        if isinstance(action, Tensor):
            action = action.numpy()
        checked = array("an action", action, self._shape, ActionError)
        q, v, *memory = self._arrays
        after = code.run(q, v, checked, *memory)
        kept = len(self._arrays)
        self._arrays, observation = after[:kept], after[kept]
        numbers = {n: x.item() for n, x in zip(self._names, after[kept + 1 :], strict=True)}
        return observation.astype(np.float64), numbers

    def _derived(self, state: State, member: int | None) -> RowCode | None:
        step, nu = self._core.function, self._shape[0]
        if member is not None and step.apart:
            step = step.with_member(member)
            state = state.remember(member=torch.zeros_like(state.memory["member"]))
        return row_code(step, state, nu, self._core.options.compile)

    @staticmethod
    def _tensors(code: RowCode, state: State) -> list[Tensor]:
        """List what the code takes beside the action."""
        return [state.q, state.v, *(state.memory[name] for name in code.memory)]

    @torch.no_grad()
    def _step_in_torch(self, action: Tensor) -> tuple[Array, dict[str, Any]]:
        step = self._core.advance(self._state, action[None])
        self._state = step.state
        signals = {name: getattr(step, name) for name in SIGNALS}
        observation, host = to_host(step.observation, {**signals, **step.info})
        return observation[0], {name: value.item() for name, value in host.items()}
