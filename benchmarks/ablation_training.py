"""Ensembles and data that differ from the package's in one ingredient of training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import torch
from ablation_families import past_size
from torch import Tensor

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.dynamics import Prediction
from learned_envs.dynamics.increment import Increment
from learned_envs.fit.evaluation import Predictor, model_of, offset, still
from learned_envs.fit.recording import Recording
from learned_envs.fit.trajectories import Trajectories, Window
from learned_envs.kinematics import Kinematics
from learned_envs.simulation import Simulation
from learned_envs.state import State, SystemSpec


class Unclamped(Ensemble):
    """An ensemble whose increments may leave the data's range."""

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model; see `Ensemble`."""
        super().normalise(state, action, next_state)
        for module in self.modules():
            if isinstance(module, Increment):
                module.low.fill_(-torch.inf)
                module.high.fill_(torch.inf)


class Unbounded(Ensemble):
    """An ensemble whose states may go anywhere: it diverges only where they are not finite."""

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model; see `Ensemble`."""
        super().normalise(state, action, next_state)
        for bound in (self.q_low, self.v_low):
            bound.fill_(-torch.inf)
        for bound in (self.q_high, self.v_high):
            bound.fill_(torch.inf)


class Remembering(Ensemble):
    """An ensemble of `History` models: `past`, the step before, is in the states' memory."""

    def begin(self, state: State, generator: torch.Generator | None = None) -> State:
        """Begin at rest, as nothing came before."""
        past = state.v.new_zeros(*state.v.shape[:-1], past_size(self.spec))
        return super().begin(state, generator).remember(past=past)

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one environment step from a state that remembers; see `Dynamics.step`."""
        # One past for all members, while what a family remembers has one for each.
        own = {name: value for name, value in state.memory.items() if name != "past"}
        bare = replace(state, memory=own)
        prediction = super().step(bare, _with_past(state, action), disagreement)
        return _remember(prediction, state, action)

    def step_members(self, state: State, action: Tensor) -> Prediction:
        """Step each member; states without memory are `step`'s, whose actions hold it already."""
        if "past" not in state.memory:
            return super().step_members(state, action)
        return _remember(super().step_members(state, _with_past(state, action)), state, action)

    def _sense(self, every: Prediction, action: Tensor) -> Prediction:
        return super()._sense(every, action[..., : self.spec.nu])

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model; see `Ensemble`."""
        super().normalise(state, _with_past(state, action), next_state)


def _with_past(state: State, action: Tensor) -> Tensor:
    return torch.cat([action, state.memory["past"]], -1)


def _remember(prediction: Prediction, before: State, action: Tensor) -> Prediction:
    change = prediction.state.v - before.v
    action = action.expand(*change.shape[:-1], -1)
    past = torch.cat([prediction.displacement, change, action], -1)
    return replace(prediction, state=prediction.state.remember(past=past))


@dataclass(frozen=True)
class WindowWithPast(Window):
    """A window whose first states remember the step before them.

    Attributes:
        past: (*batch, n) that step's displacement, change of v and action; zeros where an
            episode begins.
    """

    past: Tensor

    @property
    def start(self) -> State:
        """The first states."""
        return super().start.remember(past=self.past)


class TrajectoriesWithPast(Trajectories):
    """Trajectories whose windows hold the step before them."""

    kinematics: Kinematics

    @classmethod
    def of(
        cls,
        recording: Recording,
        spec: SystemSpec,
        device: torch.device | str = "cpu",
        sensors: Iterable[int] = (),
    ) -> Self:
        """Move a recording to a device; see `Trajectories.of`."""
        data = super().of(recording, spec, device, sensors)
        data.kinematics = Kinematics(spec).to(device)
        return data

    def window(self, rows: Tensor, length: int) -> WindowWithPast:
        """Return the stretches of `length` steps that start at `rows` (*batch)."""
        window = super().window(rows, length)
        before = (rows - 1).clamp_min(0)
        moved = self.kinematics.difference(self._q[before], self._q[rows]).float()
        past = torch.cat([moved, self._v[rows] - self._v[before], self._actions[before]], -1)
        same_episode = self._remaining[before] == self._remaining[rows] + 1
        past = past.where(same_episode.unsqueeze(-1), 0.0)
        return WindowWithPast(**vars(window), past=past)


def model_with_past(simulation: Simulation, recording: Recording) -> Predictor:
    """Predict as `model_of`, from first states that remember what was recorded before them."""
    held = TrajectoriesWithPast.of(recording, simulation.task.spec, simulation.device)
    predict = model_of(simulation)
    return lambda window: predict(held.window(window.rows, window.length))


class NoisyTrajectories(Trajectories):
    """Trajectories whose windows start off the recorded state and end on the recorded ones.

    Windows of one step, which the normalisation is measured on, are left as they are.
    """

    kinematics: Kinematics
    noise: Tensor

    @classmethod
    def of_level(
        cls,
        level: float,
        recording: Recording,
        spec: SystemSpec,
        device: torch.device | str = "cpu",
        sensors: Iterable[int] = (),
    ) -> Self:
        """Move a recording to a device; see `Trajectories.of`.

        Args:
            level: standard deviation of the noise in units of each dimension's spread.
            recording: the episodes.
            spec: the system.
            device: where to.
            sensors: places of the task's sensors in its observation.
        """
        data = cls.of(recording, spec, device, sensors)
        data.kinematics = Kinematics(spec).to(device)
        states = data.states()
        spread = offset(data.kinematics, still(states), states).std(0)
        # A cyclic coordinate has the same index in q and in v: both precede any quaternion's end.
        spread[list(spec.cyclic)] = 0.0
        data.noise = level * spread
        return data

    def window(self, rows: Tensor, length: int) -> Window:
        """Return the stretches of `length` steps that start at `rows` (*batch)."""
        window = super().window(rows, length)
        if length == 1:
            return window
        # Seeded by what was drawn, so that a resumed training meets the same noise.
        generator = torch.Generator(rows.device).manual_seed(int(rows.sum()))
        shape = (*rows.shape, len(self.noise))
        noise = self.noise * torch.randn(shape, generator=generator, device=rows.device)
        turn, kick = noise.chunk(2, -1)
        q, v = window.states.q.clone(), window.states.v.clone()
        q[..., 0, :] = self.kinematics.advance(q[..., 0, :], turn)
        v[..., 0, :] += kick
        return replace(window, states=State(q, v))
