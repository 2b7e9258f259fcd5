"""A frame that turns with the system, for motion that does not depend on its heading."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Heading:
    """The frame of a body that slides and turns freely on level ground.

    Seen from it, the body heads along x, and all else is as it was. So what is learned of one
    heading holds for every other.

    Attributes:
        x, y: indices in q and in v of the slides.
        turn: index in q and in v of the hinge.
    """

    x: int
    y: int
    turn: int

    @classmethod
    def of(cls, spec: SystemSpec) -> Heading | None:
        """Return a system's frame; None if its motion may depend on its heading."""
        indices = spec.heading
        return None if indices is None else cls(*indices)

    def enter(self, state: State) -> State:
        """Turn a state, q (*batch, nq) and v (*batch, nv), so that it heads along x."""
        ahead = torch.ones(state.q.shape[-1], dtype=state.q.dtype, device=state.q.device)
        ahead[self.turn] = 0.0
        return State(state.q * ahead, self.rotate(state.v, -state.q[..., self.turn]), state.memory)

    def enter_transition(
        self, kinematics: Kinematics, state: State, next_state: State
    ) -> tuple[State, State]:
        """Turn a state and the one after it by the heading of the first."""
        angle, ahead = -state.q[..., self.turn], self.enter(state)
        moved = self.rotate(kinematics.difference(state.q, next_state.q), angle)
        reached = kinematics.advance(ahead.q, moved)
        return ahead, State(reached, self.rotate(next_state.v, angle), next_state.memory)

    def rotate(self, vector: Tensor, angle: Tensor) -> Tensor:
        """Turn a velocity or displacement, (*batch, nv), by `angle`, (*batch), about z."""
        x, y = vector[..., self.x], vector[..., self.y]
        cos, sin = angle.cos(), angle.sin()
        columns = list(vector.unbind(-1))
        columns[self.x], columns[self.y] = cos * x - sin * y, sin * x + cos * y
        return torch.stack(columns, -1)
