"""What a training makes small: the error of a model's own predictions over a window."""

from __future__ import annotations

import torch
from torch import Tensor

from learned_envs.data.trajectories import Window
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.dynamics.sensor import mean_norm
from learned_envs.evaluation.evaluation import offset, spread, still
from learned_envs.state import State


class RolloutLoss:
    """The mean error of an ensemble's own predictions over a window.

    The error of a state is the norm and not its square, because contacts make the squares so
    heavy-tailed that a few windows would drown the rest. The error of readings is added; its
    gradient does not reach the motion. Leaves of the state are told by the window at each step,
    but for those that the ensemble computes.

    Attributes:
        dynamics: the ensemble.
        unit: (2 nv) of each dimension's error.
    """

    @torch.no_grad()
    def __init__(self, dynamics: Ensemble, before: State, after: State) -> None:
        """Set the units from steps of the data, q (n, nq) and v (n, nv) before and after.

        A unit is the geometric mean of the spread of the state and of its change over a step.
        """
        self.dynamics = dynamics
        kinematics = dynamics.kinematics
        change = spread(kinematics, offset(kinematics, before, after))
        unit = (change * spread(kinematics, offset(kinematics, still(before), before))).sqrt()
        # A cyclic coordinate is counted from the window's start: it changes, and has no spread.
        self.unit = torch.where(unit > 1e-8, unit, change).clamp_min(1e-8)

    def __call__(self, window: Window) -> Tensor:
        """Return the loss of a window of states (members, batch, time + 1, .), a scalar."""
        dynamics, head = self.dynamics, self.dynamics.head
        state, loss = window.start, torch.zeros((), device=self.unit.device)
        for t in range(window.length):
            action = window.actions[..., t, :]
            state = dynamics.step_members(state, action).state
            off = offset(dynamics.kinematics, window.after(t + 1), state)
            loss = loss + mean_norm(off / self.unit)
            if head is not None:
                readings = {name: read[..., t, :] for name, read in window.readings.items()}
                loss = loss + head.loss(state.detach(), action, readings)
            state = window.told(state, t + 1, dynamics.computes)
        return loss / window.length
