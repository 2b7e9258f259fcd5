"""What a training makes small: the error of a model's own predictions over a window."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from learned_envs.data.trajectories import Window
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.dynamics.sensor import mean_norm
from learned_envs.evaluation.evaluation import offset, spread, still
from learned_envs.state import State
from learned_envs.stepping import compiled


class RolloutLoss:
    """The mean error of an ensemble's own predictions over a window.

    The error of a state is the norm and not its square, because contacts make the squares so
    heavy-tailed that a few windows would drown the rest. But small norms make medians, and medians
    leave out hard impacts, which are seldom and all push the same way. Where there are such, the
    squares of the first step may be added, where no error of the model's own has grown yet.

    Leaves of the state are told by the window at each step, but for those that the ensemble
    computes.

    The error of readings is added where they belong to the predicted state best, after the first
    step. Its gradient does not reach the motion.

    Attributes:
        dynamics: the ensemble.
        first_step: weight of the first step's squared error.
        unit: (2 nv) of each dimension's error.
        change: (2 nv) the spread of each dimension's change over a step.
    """

    @torch.no_grad()
    def __init__(
        self,
        dynamics: Ensemble,
        before: State,
        after: State,
        first_step: float,
        compile: bool = False,
    ) -> None:
        """Set the units from steps of the data, q (n, nq) and v (n, nv) before and after.

        A unit is the geometric mean of the spread of the state and of its change over a step.

        Args:
            dynamics: the ensemble.
            before: states.
            after: the states one step later.
            first_step: weight of the first step's squared error; the mean norm has one of 1.
            compile: whether torch.compile makes the code of a step; windows of any length then
                share it.
        """
        self.dynamics, self.first_step = dynamics, first_step
        kinematics = dynamics.kinematics
        self.change = change = spread(kinematics, offset(kinematics, before, after))
        unit = (change * spread(kinematics, offset(kinematics, still(before), before))).sqrt()
        # A cyclic coordinate is counted from the window's start: it changes, and has no spread.
        self.unit = torch.where(unit > 1e-8, unit, change).clamp_min(1e-8)
        self._step, self._of_readings = self._eager_step, self._eager_of_readings
        if compile:
            self._step, self._of_readings = compiled(self._step), compiled(self._of_readings)

    def __call__(self, window: Window) -> Tensor:
        """Return the loss of a window of states (members, batch, time + 1, .), a scalar."""
        state, loss = window.start, torch.zeros((), device=self.unit.device)
        for t in range(window.length):
            action = window.actions[..., t, :]
            state, error = self._step(state, action, window.after(t + 1))
            loss = loss + mean_norm(error) / window.length
            if t == 0 and self.first_step:
                loss = loss + self.first_step * error.square().mean()
            if t == 0 and self.dynamics.head is not None:
                readings = {name: read[..., t, :] for name, read in window.readings.items()}
                loss = loss + self._of_readings(state.detach(), action, readings)
            state = window.told(state, t + 1, self.dynamics.computes)
        return loss

    def _eager_step(self, state: State, action: Tensor, recorded: State) -> tuple[State, Tensor]:
        """Return the state that is predicted, and its error in units of each dimension's."""
        state = self.dynamics.step_members(state, action).state
        return state, offset(self.dynamics.kinematics, recorded, state) / self.unit

    def _eager_of_readings(
        self, reached: State, action: Tensor, readings: Mapping[str, Tensor]
    ) -> Tensor:
        head = self.dynamics.head
        assert head is not None
        return head.loss(reached, action, readings)
