"""The three-link Swimmer, as in Gymnasium's Swimmer-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.forward import ForwardTask
from learned_envs.tasks.start import uniform_start
from learned_envs.tasks.task import Readings, Transition, never


@dataclass(frozen=True, kw_only=True)
class Swimmer(ForwardTask):
    """Swim forward in a viscous fluid, in the plane, by bending two joints.

    ## Action
    Torques of the two joints, each in [-1, 1].

    ## Observation
    q without the first link's x and y (its angle, the two joints), then v.

    ## Rewards
    `reward_forward`, weight times dx/dt; `reward_ctrl`, minus weight times the squared action as
    the agent gave it.

    ## Starting State
    q0 and zero velocity, each with uniform noise of +-`reset_noise_scale`.

    ## Episode End
    Never terminated.

    Source: gymnasium/envs/mujoco/swimmer_v5.py.

    Attributes:
        ctrl_cost_weight: cost for each unit of squared action.
        reset_noise_scale: half width of the noise on the starting state.
    """

    start = staticmethod(uniform_start)

    ctrl_cost_weight: float = 1e-4
    reset_noise_scale: float = 0.1

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 8), or (*batch, 10) if x and y are not hidden."""
        q = state.q[..., 2:] if self.exclude_current_positions_from_observation else state.q
        return torch.cat((q, state.v), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the forward reward, and the control cost as a negative number."""
        return self.forward_terms(transition)

    def terminated(self, state: State) -> Tensor:
        """Return false for every state, (*batch)."""
        return never(state)

    def details(self, transition: Transition) -> dict[str, Tensor]:
        """Return position and velocity."""
        y_velocity = transition.displacement[..., 1] / self.spec.dt
        return {**super().details(transition), "y_velocity": y_velocity}

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the first link's place and its distance from the origin."""
        return {
            "x_position": state.q[..., 0],
            "y_position": state.q[..., 1],
            "distance_from_origin": state.q[..., :2].norm(dim=-1),
        }
