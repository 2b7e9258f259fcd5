"""Two poles balanced on a cart, as in Gymnasium's InvertedDoublePendulum-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.tasks.start import NoisyStartTask, normal_speed_start
from learned_envs.tasks.task import Readings, Transition

FORCE = Sensor("qfrc_constraint of the cart", place=8)
"""The force of the rail's ends on the cart, newtons. The observation clips it to +-10."""

POLE_LENGTH = 0.6
"""Metres, of each pole, from hinge to hinge and from there to the tip."""


@dataclass(frozen=True, kw_only=True)
class InvertedDoublePendulum(NoisyStartTask):
    """Keep two poles, one on top of the other, upright by pushing the cart below.

    ## Action
    Force on the cart, in [-1, 1] before the actuator's gear.

    ## Observation
    The cart's position; sines, then cosines, of the hinges' angles; v clipped to +-10; and the
    force of the rail's ends on the cart, a sensor that a model has to learn, clipped to +-10.

    ## Rewards
    `reward_survive` if the step does not terminate; `distance_penalty`, minus the squared
    distances of the tip from (0, 2), the horizontal one weighted by 0.01; `velocity_penalty`,
    minus the weighted squared speeds of the hinges.

    ## Starting State
    q0 with uniform noise of +-`reset_noise_scale`, normal velocities of that spread.

    ## Episode End
    Terminated if the tip is at a height of 1 m or less.

    Source: gymnasium/envs/mujoco/inverted_double_pendulum_v5.py. There the tip, the reward and the
    sensor are those of the solver's last Runge-Kutta stage, which is not quite at the observed q.
    Under random actions the rewards differ by 4e-6 (median) and 2e-3 (at most) from those of q.

    Attributes:
        healthy_reward: reward of a step that does not terminate.
        reset_noise_scale: size of the noise on the starting state.
    """

    sensors = (FORCE,)
    start = staticmethod(normal_speed_start)

    healthy_reward: float = 10.0
    reset_noise_scale: float = 0.1

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 9)."""
        cart, angles = state.q[..., :1], state.q[..., 1:]
        force = readings[FORCE.name] if readings else torch.zeros_like(cart)
        speed = state.v.clamp(-10.0, 10.0)
        return torch.cat((cart, angles.sin(), angles.cos(), speed, force.clamp(-10, 10)), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return survival's reward and the two penalties as negative numbers."""
        reached = transition.next_state
        x, height = self._tip(reached)
        survives = ~self.terminated(reached)
        _, v1, v2 = reached.v.unbind(-1)
        return {
            "reward_survive": self.healthy_reward * survives.to(x.dtype),
            "distance_penalty": -(0.01 * x.square() + (height - 2).square()),
            "velocity_penalty": -(1e-3 * v1.square() + 5e-3 * v2.square()),
        }

    def terminated(self, state: State) -> Tensor:
        """Return whether the tip is too low, (*batch) bool."""
        return self._tip(state)[1] <= 1

    def _tip(self, state: State) -> tuple[Tensor, Tensor]:
        """Return the upper pole's end, horizontally and above the rail."""
        x, lower, hinge = state.q.unbind(-1)
        upper = lower + hinge
        along = x + POLE_LENGTH * (lower.sin() + upper.sin())
        return along, POLE_LENGTH * (lower.cos() + upper.cos())
