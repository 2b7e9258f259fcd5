"""How far a model's rollouts are from recorded trajectories, in batches on the model's device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learned_envs import argument
from learned_envs.data.recording import Recording
from learned_envs.data.source import Source
from learned_envs.data.trajectories import Trajectories, Window
from learned_envs.errors import DatasetError, ParameterError
from learned_envs.evaluation.report import Curve, Report
from learned_envs.evaluation.sensors import sensor_figures
from learned_envs.kinematics import Kinematics
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.tasks.task import Task

HORIZONS = (1, 10, 25, 50, 100, 200)
"""Steps at which errors are reported if nobody asks for others."""

CHUNK = 4096
"""Windows rolled out at once."""


def offset(kinematics: Kinematics, origin: State, target: State) -> Tensor:
    """Return how far `target` is from `origin` in position and velocity, (*batch, 2 nv)."""
    return torch.cat([kinematics.difference(origin.q, target.q), target.v - origin.v], -1)


def spread(kinematics: Kinematics, offsets: Tensor) -> Tensor:
    """Return the standard deviation of each dimension of offsets (n, 2 nv), (2 nv).

    A free body has the same along x and along y, so that errors do not depend on its heading.
    """
    each = offsets.std(0).reshape(2, -1)
    pairs = each[:, kinematics.horizontal]
    each[:, kinematics.horizontal] = pairs.square().mean(-1, True).sqrt().expand_as(pairs)
    return each.reshape(-1)


def still(state: State) -> State:
    """Return a batch's first position, at rest, for all of it: an origin to measure from."""
    return State(state.q[:1].expand_as(state.q), torch.zeros_like(state.v))


@dataclass(frozen=True)
class Yardstick:
    """The unit of errors: the spread of each dimension over held-out data.

    Attributes:
        kinematics: the system's geometry.
        weight: (2 nv) one over the spread; zero for cyclic and constant dimensions.
        spread: (2 nv) of each dimension.
    """

    kinematics: Kinematics
    weight: Tensor
    spread: Tensor

    @classmethod
    def of(
        cls, trajectories: Trajectories, kinematics: Kinematics, cyclic: Sequence[int]
    ) -> Yardstick:
        """Measure the spread of a set of trajectories.

        Raises:
            DatasetError: if nothing moves in them, or too far for float32.
        """
        states = trajectories.states()
        unit = spread(kinematics, offset(kinematics, still(states), states))
        if not unit.isfinite().all():
            raise DatasetError(
                "The spread of the held-out episodes is not finite in float32. Look for outliers "
                "in the data, and leave them out."
            )
        weight = torch.where(unit > 1e-6, 1 / unit, 0.0)
        # A cyclic coordinate has the same index in q and in v: both precede any quaternion's end.
        weight[list(cyclic)] = 0.0
        if not weight.any():
            raise DatasetError(
                "Nothing moves in the held-out episodes, but for travel along the ground: there "
                "is no unit to measure errors in. Record episodes in which the system moves."
            )
        return cls(kinematics, weight, unit)

    def error(self, predicted: State, true: State) -> Tensor:
        """Return the standardised squared error, (*batch): the mean over varying dimensions.

        error = mean of ((predicted - true) / spread)^2. Travel along the ground is left out.
        """
        squared = (offset(self.kinematics, true, predicted) * self.weight).square()
        return squared.sum(-1) / (self.weight > 0).sum()


Predictor = Callable[[Window], Sequence[State]]
"""Predicts the states after each step of a window, given its first state and its actions."""


def evaluate(
    simulation: Simulation,
    data: Source | Recording,
    horizons: Sequence[int] | None = None,
    trajectories: int = 2000,
    seed: int = 0,
) -> Report:
    """Roll the ensemble's mean out along held-out trajectories, beside holding the first state.

    Readings of sensors are measured one step ahead.

    Errors are standardised squared errors; see
    [`Yardstick.error`][learned_envs.evaluation.evaluation.Yardstick.error].

    Args:
        simulation: the model.
        data: recorded episodes that the model was not trained on.
        horizons: steps at which to report; those longer than every episode are left out. If None,
            1, 10, 25, 50, 100 and 200, without those that most episodes are shorter than.
        trajectories: how many windows to draw from the data.
        seed: decides which.

    Raises:
        DatasetError: if no episode is as long as the shortest horizon.
    """
    argument.instance("simulation", simulation, Simulation)
    if not isinstance(data, Recording):
        argument.function("data.load", getattr(data, "load", None))
        data = data.load()
    predictors = {"model": model_of(simulation)}
    report = compare(data, simulation, predictors, horizons, trajectories, seed)
    return replace(report, sensors=sensor_figures(simulation, data))


def compare(
    recording: Recording,
    simulation: Simulation,
    predictors: dict[str, Predictor],
    horizons: Sequence[int] | None = None,
    trajectories: int = 2000,
    seed: int = 0,
) -> Report:
    """Measure several predictors, and holding the first state, on the same windows.

    Args:
        recording: held-out episodes.
        simulation: says which system and which device.
        predictors: by the name that the report gives them.
        horizons: steps at which to report; those longer than every episode are left out. If None,
            1, 10, 25, 50, 100 and 200, without those that most episodes are shorter than.
        trajectories: how many windows to draw.
        seed: decides which.

    Raises:
        DatasetError: if no episode is as long as the shortest horizon.
        ParameterError: if the horizons or the trajectories are no whole numbers of 1 or more.
    """
    spec, device = simulation.task.spec, simulation.device
    if horizons is not None:
        argument.instance("horizons", horizons, list, tuple)
        for horizon in horizons:
            argument.count("horizon", horizon)
        if not horizons:
            raise ParameterError("Got no horizons, expected one at least, such as 10.")
    argument.count("trajectories", trajectories)
    argument.count("seed", seed, 0)
    sizes = [values.shape[1] for values in (recording.qpos, recording.qvel, recording.actions)]
    if sizes != [spec.nq, spec.nv, spec.nu]:
        raise DatasetError(
            f"Got episodes with {sizes} numbers of position, velocity and action, expected "
            f"{[spec.nq, spec.nv, spec.nu]}, as {spec.reference_id} has them."
        )
    held = Trajectories.of(recording, spec, device)
    asked = HORIZONS if horizons is None else tuple(sorted(horizons))
    kept = held.usual(asked) if horizons is None else tuple(h for h in asked if h <= held.longest)
    if not kept:
        raise DatasetError(
            f"The longest held-out episode has {held.longest} steps, the shortest horizon asked "
            f"for is {asked[0]}. Record longer episodes or ask for shorter horizons."
        )
    yardstick = Yardstick.of(held, simulation.dynamics.kinematics, spec.cyclic)
    generator = torch.Generator(device).manual_seed(seed)
    rows = held.draw((trajectories,), kept[-1], generator)

    errors: dict[str, list[Tensor]] = {"hold": [], **{name: [] for name in predictors}}
    with torch.no_grad():
        for chunk in torch.split(rows, CHUNK):
            window = held.window(chunk, kept[-1])
            for name, predict in {"hold": hold, **predictors}.items():
                states = predict(window)
                at = [yardstick.error(states[h - 1], window.after(h)) for h in kept]
                errors[name].append(torch.stack(at, -1))
    curves = []
    for name, parts in errors.items():
        error = torch.cat(parts).double().cpu()
        curves.append(
            Curve(name, tuple(error.median(0).values.tolist()), tuple(error.mean(0).tolist()))
        )
    return Report(spec.reference_id, kept, len(rows), tuple(curves))


def model_of(
    simulation: Simulation, past_the_end: bool = False, members: torch.Generator | None = None
) -> Predictor:
    """Predict with the simulation's ensemble mean, kept inside its envelope.

    Args:
        simulation: the model.
        past_the_end: go on when the task's rules end the predicted episode. By default it stays
            at its last state, as an environment's does.
        members: draws one fixed member for each rollout, instead of the ensemble's mean.
    """

    def predict(window: Window) -> Sequence[State]:
        start = window.start
        if members is not None:
            start = simulation.dynamics.begin(start, members)
        path = simulation.rollout(start, window.actions).states
        states = [path[:, t + 1] for t in range(window.length)]
        return states if past_the_end else stay_at_the_end(simulation.task, states)

    return predict


def stay_at_the_end(task: Task, states: Sequence[State]) -> Sequence[State]:
    """Replace all that follows a state that ends the episode by that state."""
    stayed = [states[0]]
    for state in states[1:]:
        stayed.append(stayed[-1].where(task.terminated(stayed[-1]), state))
    return stayed


def hold(window: Window) -> Sequence[State]:
    """Predict that nothing moves."""
    return [window.start] * window.length
