"""Motion alone: nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.tasks.task import Readings, Task, Transition, constant, never


@dataclass(frozen=True, kw_only=True)
class Motion(Task):
    """A task that sees q, v and what sensors read, pays nothing and never ends.

    Attributes:
        measured: the sensors whose readings are seen behind q and v, in this order.
    """

    measured: tuple[Sensor, ...] = ()

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Return (batch) systems at rest in the reference pose, leaves of the state at zero."""
        device = generator.device if generator is not None else torch.device("cpu")
        zeros = torch.zeros(batch, self.spec.nv, dtype=dtype, device=device)
        leaves = {leaf.name: zeros.new_zeros(batch, leaf.size) for leaf in self.spec.leaves}
        return State(constant(self.spec.q0, zeros).repeat(batch, 1), zeros, leaves)

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return q, v and the readings, which are zero at a start."""
        read = readings or {
            sensor.name: state.q.new_zeros(*state.q.shape[:-1], sensor.size)
            for sensor in self.measured
        }
        return torch.cat([state.q, state.v, *(read[sensor.name] for sensor in self.measured)], -1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return nothing that is paid."""
        return {"nothing": torch.zeros_like(transition.next_state.q[..., 0])}

    def terminated(self, state: State) -> Tensor:
        """Return false for every state."""
        return never(state)
