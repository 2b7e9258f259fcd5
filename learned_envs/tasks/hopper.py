"""The one-legged Hopper, as in Gymnasium's Hopper-v5."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.forward import UprightTask
from learned_envs.tasks.start import uniform_start
from learned_envs.tasks.task import within


@dataclass(frozen=True, kw_only=True)
class Hopper(UprightTask):
    """Hop forward on one leg without falling.

    ## Action
    Torques of the thigh, leg and foot hinges, each in [-1, 1].

    ## Observation
    q without the torso's x (z, the torso's angle, the three hinges), then v clipped to +-10.

    ## Rewards
    `reward_forward`, weight times dx/dt; `reward_ctrl`, minus weight times the squared action as
    the agent gave it; `reward_survive`, paid only if the hopper is healthy.

    ## Starting State
    q0 and zero velocity, each with uniform noise of +-`reset_noise_scale`.

    ## Episode End
    Terminated if unhealthy: the torso's z or angle, or any of q and v but the torso's x and z, is
    NaN or not strictly inside its range.

    Source: gymnasium/envs/mujoco/hopper_v5.py.

    Attributes:
        healthy_state_range: open range of every element of (q, v) from the third on.
        healthy_z_range: open range of the torso's height, metres.
        healthy_angle_range: open range of the torso's angle, radians.
        reset_noise_scale: half width of the noise on the starting state.
    """

    start = staticmethod(uniform_start)

    healthy_state_range: tuple[float, float] = (-100.0, 100.0)
    healthy_z_range: tuple[float, float] = (0.7, math.inf)
    healthy_angle_range: tuple[float, float] = (-0.2, 0.2)
    reset_noise_scale: float = 5e-3

    def healthy(self, state: State) -> Tensor:
        """Return whether the hopper stands upright and sane, (*batch) bool."""
        return within(torch.cat((state.q[..., 1:], state.v), dim=-1), *self._healthy_bounds)

    @property
    def _healthy_bounds(self) -> tuple[list[float], list[float]]:
        """The open bounds of height, angle, and all the rest; z is not part of the state range."""
        z, angle, rest = (
            self.healthy_z_range,
            self.healthy_angle_range,
            self.healthy_state_range,
        )
        others = self.spec.nq + self.spec.nv - 3
        low = [z[0], max(angle[0], rest[0]), *[rest[0]] * others]
        high = [z[1], min(angle[1], rest[1]), *[rest[1]] * others]
        return low, high
