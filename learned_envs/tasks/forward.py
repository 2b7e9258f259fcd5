"""What tasks that pay for motion along x have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.start import NoisyStartTask
from learned_envs.tasks.task import Readings, Transition


@dataclass(frozen=True, kw_only=True)
class ForwardTask(NoisyStartTask):
    """Move forward, at little cost of control.

    Attributes:
        forward_reward_weight: reward for each m/s forward.
        ctrl_cost_weight: cost for each unit of squared action.
        exclude_current_positions_from_observation: whether the place on the ground is hidden.
    """

    forward_reward_weight: float = 1.0
    ctrl_cost_weight: float = 1e-3
    exclude_current_positions_from_observation: bool = True

    def forward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the forward reward, and the control cost as a negative number."""
        return {
            "reward_forward": self.forward_reward_weight * self._x_velocity(transition),
            "reward_ctrl": -self.ctrl_cost_weight * transition.action.square().sum(dim=-1),
        }

    def details(self, transition: Transition) -> dict[str, Tensor]:
        """Return position and velocity."""
        return {
            **self.reset_info(transition.next_state),
            "x_velocity": self._x_velocity(transition),
        }

    def _x_velocity(self, transition: Transition) -> Tensor:
        return transition.displacement[..., 0] / self.spec.dt


@dataclass(frozen=True, kw_only=True)
class UprightTask(ForwardTask):
    """Move forward on legs without falling.

    Attributes:
        healthy_reward: reward of a step that ends healthy.
        terminate_when_unhealthy: whether an unhealthy state ends the episode.
    """

    healthy_reward: float = 1.0
    terminate_when_unhealthy: bool = True

    @abstractmethod
    def healthy(self, state: State) -> Tensor:
        """Return whether the system stands upright, (*batch) bool."""

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return q, without x if that is hidden, and v clipped to +-10."""
        q = state.q[..., 1:] if self.exclude_current_positions_from_observation else state.q
        return torch.cat((q, state.v.clamp(-10.0, 10.0)), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the rewards of motion and survival, and the control cost as a negative number."""
        healthy = self.healthy(transition.next_state).to(transition.next_state.q.dtype)
        survival = {"reward_survive": self.healthy_reward * healthy}
        return {**self.forward_terms(transition), **survival}

    def terminated(self, state: State) -> Tensor:
        """Return whether the system is unhealthy, (*batch); false if that ends no episode."""
        unhealthy = ~self.healthy(state)
        return unhealthy if self.terminate_when_unhealthy else torch.zeros_like(unhealthy)

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the torso's x, and its height above the reference pose."""
        return {
            "x_position": state.q[..., 0],
            "z_distance_from_origin": state.q[..., 1] - self.spec.q0[1],
        }
