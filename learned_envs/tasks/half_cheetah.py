"""The two-legged HalfCheetah, as in Gymnasium's HalfCheetah-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.forward import ForwardTask
from learned_envs.tasks.start import normal_speed_start
from learned_envs.tasks.task import Readings, Transition, never


@dataclass(frozen=True, kw_only=True)
class HalfCheetah(ForwardTask):
    """Run forward as fast as possible.

    ## Action
    Torques of the back and front thighs, shins and feet, each in [-1, 1].

    ## Observation
    q without the torso's x (z, the torso's angle, the six hinges), then v.

    ## Rewards
    `reward_forward`, weight times dx/dt; `reward_ctrl`, minus weight times the squared action as
    the agent gave it.

    ## Starting State
    q0 with uniform noise of +-`reset_noise_scale`, normal velocities of that spread.

    ## Episode End
    Never terminated.

    Source: gymnasium/envs/mujoco/half_cheetah_v5.py.

    Attributes:
        ctrl_cost_weight: cost for each unit of squared action.
        reset_noise_scale: size of the noise on the starting state.
    """

    start = staticmethod(normal_speed_start)

    ctrl_cost_weight: float = 0.1
    reset_noise_scale: float = 0.1

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 17), or (*batch, 18) if x is not hidden."""
        q = state.q[..., 1:] if self.exclude_current_positions_from_observation else state.q
        return torch.cat((q, state.v), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the forward reward, and the control cost as a negative number."""
        return self.forward_terms(transition)

    def terminated(self, state: State) -> Tensor:
        """Return false for every state, (*batch)."""
        return never(state)

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the torso's x."""
        return {"x_position": state.q[..., 0]}
