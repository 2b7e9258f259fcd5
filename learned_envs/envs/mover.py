"""A learned model as what moves a real environment."""

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
    """Says where one real environment moves, as a model predicts, an episode at a time.

    Attributes:
        core: the model, in episodes in which nothing is asked.
        said: what the last step gave by name: `SIGNALS`, of which the reward is less than 0 by the
            penalty for disagreement, and whether the model left its data.
    """

    def __init__(self, real: Adapter, simulation: Simulation, options: EnvOptions) -> None:
        """Prepare.

        Args:
            real: the environment, with the leaves of the model's spec.
            simulation: of the task [`Motion`][learned_envs.tasks.motion.Motion].
            options: see there.
        """
        assert isinstance(simulation.task, Motion)
        self.core = EnvCore.of(simulation, options)
        self._real = real
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

    def state(self) -> State:
        """Return where the system is, q (nq) and v (nv) in float64, and what goes with it."""
        data = self._real.data
        q, v = torch.from_numpy(data.qpos.copy()), torch.from_numpy(data.qvel.copy())
        memory = {**self._memory, **self._leaves()}
        return State(q, v, {name: leaf[0] for name, leaf in memory.items()})

    def place(self, q: object, v: object) -> None:
        """Move the system; see `placed`."""
        state = placed(self.state(), q, v, self.core.members)
        names = {leaf.name for leaf in self._spec.leaves}
        kept = {name: leaf for name, leaf in state.memory.items() if name not in names}
        leaves = {name: state.memory[name].double().numpy() for name in names}
        self._real.set_state(state.q.numpy(), state.v.numpy(), leaves)
        self._memory = {name: leaf[None] for name, leaf in kept.items()}

    def step(self, before: State, action: Tensor) -> Moved | None:
        """Predict one step of the environment.

        Args:
            before: where it begins, as from `state`.
            action: (nu), as from `EnvCore.action`.

        Returns:
            Where the step ends; None if the model left its data, for it says nothing there.
        """
        # The model is of float32, in which positions far from the origin would be coarse. It does
        # not depend on them.
        origin = np.zeros(self._spec.nq)
        origin[self._endless] = before.q.numpy()[self._endless]
        q, v = (x.float()[None] for x in (before.q - torch.from_numpy(origin), before.v))
        state = State(q, v, {name: leaf[None] for name, leaf in before.memory.items()})
        state = state.to(self.core.device)
        if self._stepper is None:
            self._stepper = SingleStepper(self.core, state)
        else:
            self._stepper.place(state)
        seen, self.said = self._stepper.step(action)
        del self.said["nothing"]
        self._memory = dict(self._stepper.state.to("cpu").memory)
        if self.said["diverged"]:
            return None
        parts = np.cumsum([self._spec.nq, self._spec.nv, *(s.size for s in self._sensors)])
        q_next, v_next, *readings = np.split(seen, parts[:-1])
        arrays = {
            sensor.array: (sensor.slice, reading)
            for sensor, reading in zip(self._sensors, readings, strict=True)
            if sensor.array
        }
        return Moved(origin + q_next, v_next, arrays)

    def _leaves(self) -> dict[str, Tensor]:
        found = self._real.leaves()
        return {
            name: torch.from_numpy(leaf.astype(np.float32))[None] for name, leaf in found.items()
        }
