"""The inverted pendulum on a cart, as in Gymnasium's InvertedPendulum-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.start import NoisyStartTask, uniform_start
from learned_envs.tasks.task import Readings, Transition


@dataclass(frozen=True, kw_only=True)
class InvertedPendulum(NoisyStartTask):
    """Keep a pole upright by pushing the cart it stands on.

    ## Action
    Force on the cart, in [-3, 3] before the actuator's gear.

    ## Observation
    The cart's position, the pole's angle, and their velocities.

    ## Rewards
    `reward_survive`, 1 for each step that does not terminate.

    ## Starting State
    q0 and zero velocity, each with uniform noise of +-`reset_noise_scale`.

    ## Episode End
    Terminated if the pole leans by more than 0.2 rad, or the state is not finite.

    Source: gymnasium/envs/mujoco/inverted_pendulum_v5.py.

    Attributes:
        reset_noise_scale: half width of the noise on the starting state.
    """

    start = staticmethod(uniform_start)

    reset_noise_scale: float = 0.01

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 4)."""
        return torch.cat((state.q, state.v), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return 1 if the episode goes on, else 0."""
        survives = ~self.terminated(transition.next_state)
        return {"reward_survive": survives.to(transition.next_state.q.dtype)}

    def terminated(self, state: State) -> Tensor:
        """Return whether the pole has fallen or the state is not finite, (*batch) bool."""
        finite = self.observation(state).isfinite().all(dim=-1)
        return ~finite | (state.q[..., 1].abs() > 0.2)
