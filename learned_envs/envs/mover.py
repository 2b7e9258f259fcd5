"""A learned model as what moves MuJoCo's data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.envs.core import EnvCore
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.placing import placed
from learned_envs.envs.stepper import SingleStepper
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.hosting import Moved
from learned_envs.tasks.motion import Motion

Array = NDArray[Any]


class Mover:
    """Moves the data of one environment as a model predicts, an episode at a time.

    Attributes:
        core: the model, in episodes in which nothing is asked.
        said: what the last step gave by name: `SIGNALS`, of which the reward is less than 0 by the
            penalty for disagreement, and whether the model left its data.
    """

    def __init__(self, simulation: Simulation, options: EnvOptions) -> None:
        """Prepare.

        Args:
            simulation: of the task [`Motion`][learned_envs.tasks.motion.Motion].
            options: see there.
        """
        assert isinstance(simulation.task, Motion)
        self.core = EnvCore.of(simulation, options)
        self.said: dict[str, Any] = {}
        self._spec, self._sensors = simulation.task.spec, simulation.task.measured
        self._endless = list(self._spec.cyclic)
        self._stepper: SingleStepper | None = None
        self._memory: dict[str, Tensor] = {}

    def begin(self, random: Tensor) -> Tensor:
        """Begin an episode: with a member of the ensemble, and with what else a model remembers.

        Args:
            random: the source of randomness.

        Returns:
            That for what is drawn next.
        """
        state, random = self.core.initial_states(1, random)
        self._memory = dict(state.memory)
        return random

    def state(self, real: Adapter) -> State:
        """Return where an environment is, q (nq) and v (nv) in float64, and what goes with it."""
        data = real.data
        memory = {**self._memory, **_leaves(real)}
        q, v = torch.from_numpy(data.qpos.copy()), torch.from_numpy(data.qvel.copy())
        return State(q, v, {name: leaf[0] for name, leaf in memory.items()})

    def place(self, real: Adapter, q: object, v: object) -> None:
        """Move an environment; see `placed`."""
        state = placed(self.state(real), q, v, self.core.members)
        leaves = {leaf.name: state.memory[leaf.name].numpy() for leaf in self._spec.leaves}
        real.set_state(state.q.numpy(), state.v.numpy(), leaves)
        self._memory = {name: leaf[None] for name, leaf in state.memory.items()}

    def step(self, real: Adapter, action: Tensor) -> Moved | None:
        """Predict one step of the environment.

        Args:
            real: the environment, where the step begins.
            action: (nu), as from `EnvCore.action`.

        Returns:
            Where the step ends; None if the model left its data, for it says nothing there.
        """
        # The model is of float32, in which positions far from the origin would be coarse. It does
        # not depend on them.
        data, start = real.data, np.zeros(self._spec.nq)
        start[self._endless] = data.qpos[self._endless]
        q, v = (_row(x) for x in (data.qpos - start, data.qvel))
        state = State(q, v, {**self._memory, **_leaves(real)})
        if self._stepper is None:
            self._stepper = SingleStepper(self.core, state.to(self.core.device))
        else:
            self._stepper.place(state.to(self.core.device))
        seen, self.said = self._stepper.step(action)
        self.said.pop("nothing")
        self._memory = dict(self._stepper.state.memory)
        if self.said["diverged"]:
            return None
        parts = np.cumsum([self._spec.nq, self._spec.nv, *(s.size for s in self._sensors)])
        q_next, v_next, *readings = np.split(seen, parts[:-1])
        arrays = {
            sensor.array: (sensor.slice, reading)
            for sensor, reading in zip(self._sensors, readings, strict=True)
            if sensor.array
        }
        return Moved(start + q_next, v_next, arrays)


def _leaves(real: Adapter) -> dict[str, Tensor]:
    return {name: _row(leaf) for name, leaf in real.leaves().items()}


def _row(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]
