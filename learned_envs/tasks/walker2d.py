"""The two-legged Walker2d, as in Gymnasium's Walker2d-v5."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.forward import UprightTask
from learned_envs.tasks.start import uniform_start
from learned_envs.tasks.task import within


@dataclass(frozen=True, kw_only=True)
class Walker2d(UprightTask):
    """Walk forward on two legs without falling.

    ## Action
    Torques of the right and left thigh, leg and foot hinges, each in [-1, 1].

    ## Observation
    q without the torso's x (z, the torso's angle, the six hinges), then v clipped to +-10.

    ## Rewards
    `reward_forward`, weight times dx/dt; `reward_ctrl`, minus weight times the squared action as
    the agent gave it; `reward_survive`, paid only if the walker is healthy.

    ## Starting State
    q0 and zero velocity, each with uniform noise of +-`reset_noise_scale`.

    ## Episode End
    Terminated if unhealthy: the torso's z or angle is NaN or not strictly inside its range.

    Source: gymnasium/envs/mujoco/walker2d_v5.py.

    Attributes:
        healthy_z_range: open range of the torso's height, metres.
        healthy_angle_range: open range of the torso's angle, radians.
        reset_noise_scale: half width of the noise on the starting state.
    """

    start = staticmethod(uniform_start)

    healthy_z_range: tuple[float, float] = (0.8, 2.0)
    healthy_angle_range: tuple[float, float] = (-1.0, 1.0)
    reset_noise_scale: float = 5e-3

    def healthy(self, state: State) -> Tensor:
        """Return whether the walker stands upright, (*batch) bool."""
        low, high = zip(self.healthy_z_range, self.healthy_angle_range, strict=True)
        return within(state.q[..., 1:3], low, high)
