"""The two-link arm that reaches for a target, as in Gymnasium's Reacher-v5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.state import State
from learned_envs.tasks.task import Readings, Task, Transition, never

LINKS = (0.1, 0.11)
"""Metres: from the first joint to the second, and from there to the middle of the fingertip."""

GOAL_RADIUS = 0.2
"""Metres; targets are drawn uniformly from a disc."""


@dataclass(frozen=True, kw_only=True)
class Reacher(Task):
    """Bring the fingertip of a planar arm to a target and hold it there.

    ## Action
    Torques of the two joints, each in [-1, 1].

    ## Observation
    Cosines, then sines, of the joints' angles; the target, which q holds; the joints' speeds;
    and the fingertip's place relative to the target.

    ## Rewards
    `reward_dist`, minus weight times the fingertip's distance from the target; `reward_ctrl`,
    minus weight times the squared action as the agent gave it.

    ## Starting State
    Angles within +-0.1, speeds within +-0.005, and a target, drawn uniformly.

    ## Episode End
    Never terminated.

    Source: gymnasium/envs/mujoco/reacher_v5.py. There the fingertip is that of the solver's last
    Runge-Kutta stage, which is not quite at the observed q. Under random actions its place differs
    from that of q by 1e-6 m (median), and by 7e-3 m at most, when the elbow hits its limit.

    Attributes:
        reward_dist_weight: cost for each metre of distance.
        reward_control_weight: cost for each unit of squared action.
    """

    frozen = (2, 3)

    reward_dist_weight: float = 1
    reward_control_weight: float = 1

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw (batch) starts: an arm nearly straight and at rest, and a target."""
        device = generator.device if generator is not None else torch.device("cpu")
        draw = torch.rand((batch, 6), generator=generator, device=device, dtype=dtype)
        noise = 2 * draw[:, :4] - 1
        # The root makes the disc uniform: as many targets on each part of its area.
        radius, turn = GOAL_RADIUS * draw[:, 4:5].sqrt(), 2 * torch.pi * draw[:, 5:6]
        q = torch.cat((0.1 * noise[:, :2], radius * turn.cos(), radius * turn.sin()), dim=-1)
        v = torch.cat((0.005 * noise[:, 2:], torch.zeros_like(noise[:, 2:])), dim=-1)
        return State(q, v)

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 10)."""
        angles, target = state.q[..., :2], state.q[..., 2:]
        parts = (angles.cos(), angles.sin(), target, state.v[..., :2], self._miss(state))
        return torch.cat(parts, dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the costs of distance and control as negative numbers."""
        distance = self._miss(transition.next_state).norm(dim=-1)
        return {
            "reward_dist": -self.reward_dist_weight * distance,
            "reward_ctrl": -self.reward_control_weight * transition.action.square().sum(dim=-1),
        }

    def terminated(self, state: State) -> Tensor:
        """Return false for every state, (*batch)."""
        return never(state)

    def _miss(self, state: State) -> Tensor:
        """Return the way from the target to the fingertip, (*batch, 2), metres."""
        first = state.q[..., :1]
        second = first + state.q[..., 1:2]
        near, far = LINKS
        x = near * first.cos() + far * second.cos()
        y = near * first.sin() + far * second.sin()
        return torch.cat((x, y), dim=-1) - state.q[..., 2:]
