"""Where the numbers of a state stand in an observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from learned_envs.data.recording import Array
from learned_envs.errors import DatasetError
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Task

PROBES = 16
FAR = 1e6


@dataclass(frozen=True)
class Layout:
    """Where an observation holds q and v, of which it lacks at most the place on the ground.

    Attributes:
        width: size of an observation.
        q: (nq) int64, the index of each position in it; -1 for those that it lacks.
        v: (nv) int64, the index of each velocity in it.
        low: (width) what it clips numbers to.
        high: (width) what it clips numbers to.
        lacking: the index in q and in v of each position that it lacks.
        names: of the joints that those belong to.
    """

    width: int
    q: Array
    v: Array
    low: Array
    high: Array
    lacking: tuple[tuple[int, int], ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, task: Task) -> Layout:
        """Ask a task, by states whose numbers are told apart.

        Raises:
            DatasetError: if its observation does not hold all of q and v but what is cyclic, or
                if its states have leaves, or sensors that are not observed.
        """
        spec = task.spec
        hidden = [sensor.name for sensor in task.sensors if sensor.place is None]
        if further := [*hidden, *(leaf.name for leaf in spec.leaves)]:
            raise DatasetError(f"its observation does not hold {', '.join(further)}.")
        states = np.random.default_rng(0).uniform(-1, 1, (PROBES, spec.nq + spec.nv))
        seen = _observed(task, states)
        same = (states[:, :, None] == seen[:, None, :]).all(0)
        places = np.where(same.any(1), same.argmax(1), -1)
        q, v = places[: spec.nq], places[spec.nq :]
        lost = [f"q[{i}]" for i in np.flatnonzero(q < 0) if i not in spec.cyclic]
        lost += [f"v[{i}]" for i in np.flatnonzero(v < 0)]
        if lost:
            raise DatasetError(
                f"an observation of {spec.reference_id} does not hold {', '.join(lost)}, only "
                "functions of it. Record the states with the observations."
            )
        high, low = (
            _observed(task, np.full((1, spec.nq + spec.nv), end))[0] for end in (FAR, -FAR)
        )
        pairs = _lacking(spec, q)
        return cls(
            width=seen.shape[1],
            q=q,
            v=v,
            low=np.where(low > -FAR, low, -np.inf),
            high=np.where(high < FAR, high, np.inf),
            lacking=tuple((i, j) for i, j, _ in pairs),
            names=tuple(name for *_, name in pairs),
        )

    def whole(self, observations: Array) -> Array:
        """Return which of the observations, (n, width), have no clipped number, (n) bool."""
        return np.asarray(((self.low < observations) & (observations < self.high)).all(1))

    def state(self, observations: Array) -> tuple[Array, Array]:
        """Return q, (n, nq) with zeros for what is lacking, and v, (n, nv), in float64."""
        observations = np.asarray(observations, dtype=np.float64)
        q = np.where(self.q >= 0, observations[:, self.q], 0.0)
        return q, observations[:, self.v]


def _observed(task: Task, states: Array) -> Array:
    q, v = np.split(states, [task.spec.nq], axis=1)
    return np.asarray(task.observation(State(torch.tensor(q), torch.tensor(v))))


def _lacking(spec: SystemSpec, q: Array) -> list[tuple[int, int, str]]:
    """Return index in q, index in v and joint of what an observation lacks."""
    return [
        (joint.q + i, joint.v + i, joint.name)
        for joint in spec.joints
        for i in range(7 if joint.kind == "free" else 1)
        if q[joint.q + i] < 0
    ]
