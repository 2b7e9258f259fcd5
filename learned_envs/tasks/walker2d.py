"""The two-legged Walker2d, as in Gymnasium's Walker2d-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.task import Task, Transition, uniform_start, within


@dataclass(frozen=True, kw_only=True)
class Walker2d(Task):
    """Walk forward on two legs without falling.

    ## Action
    Torques of the right and left thigh, leg and foot hinges, each in [-1, 1].

    ## Observation
    q without the torso's x (z, the torso's angle, the six hinges), then v clipped to +-10.

    ## Rewards
    `reward_forward`, weight times dx/dt; `reward_ctrl`, minus weight times the squared action as
    the agent gave it; `reward_survive`, paid only where the walker is healthy.

    ## Starting State
    q0 and zero velocity, each with uniform noise of +-`reset_noise_scale`.

    ## Episode End
    Terminated where unhealthy: the torso's z or angle is not strictly inside its range, or is NaN.

    Source: gymnasium/envs/mujoco/walker2d_v5.py.

    Attributes:
        forward_reward_weight: reward for each m/s forward.
        ctrl_cost_weight: cost for each unit of squared action.
        healthy_reward: reward of a step that ends healthy.
        terminate_when_unhealthy: whether an unhealthy state ends the episode.
        healthy_z_range: open range of the torso's height, metres.
        healthy_angle_range: open range of the torso's angle, radians.
        reset_noise_scale: half width of the noise on the starting state.
        exclude_current_positions_from_observation: whether the torso's x is hidden.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True
    healthy_z_range: tuple[float, float] = (0.8, 2.0)
    healthy_angle_range: tuple[float, float] = (-1.0, 1.0)
    reset_noise_scale: float = 5e-3
    exclude_current_positions_from_observation: bool = True

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw (batch) starts around the standing pose."""
        return uniform_start(self.spec, self.reset_noise_scale, batch, generator, dtype)

    def observation(self, state: State, sensors: Tensor | None = None) -> Tensor:
        """Return (*batch, 17), or (*batch, 18) where x is not hidden."""
        q = state.q[..., 1:] if self.exclude_current_positions_from_observation else state.q
        return torch.cat((q, state.v.clamp(-10.0, 10.0)), dim=-1)

    def healthy(self, state: State) -> Tensor:
        """Return whether the walker stands upright, (*batch) bool."""
        low, high = zip(self.healthy_z_range, self.healthy_angle_range, strict=True)
        return within(state.q[..., 1:3], low, high)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the forward reward, the control cost as a negative number, and survival's."""
        healthy = self.healthy(transition.next_state).to(transition.next_state.q.dtype)
        return {
            "reward_forward": self.forward_reward_weight * self._x_velocity(transition),
            "reward_ctrl": -self.ctrl_cost_weight * transition.action.square().sum(dim=-1),
            "reward_survive": self.healthy_reward * healthy,
        }

    def terminated(self, state: State) -> Tensor:
        """Return where the walker is unhealthy, or nowhere if that does not end an episode."""
        unhealthy = ~self.healthy(state)
        return unhealthy if self.terminate_when_unhealthy else torch.zeros_like(unhealthy)

    def details(self, transition: Transition) -> dict[str, Tensor]:
        """Return position and velocity."""
        return {
            **self.reset_info(transition.next_state),
            "x_velocity": self._x_velocity(transition),
        }

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the torso's x, and its height above the reference pose."""
        return {
            "x_position": state.q[..., 0],
            "z_distance_from_origin": state.q[..., 1] - self.spec.q0[1],
        }

    def _x_velocity(self, transition: Transition) -> Tensor:
        return transition.displacement[..., 0] / self.spec.dt
