"""What callbacks read of a Gymnasium MuJoCo environment, by the names that it has there."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from learned_envs.envs.core import EnvCore
from learned_envs.state import State

Array = NDArray[Any]


class MujocoNames:
    """The attributes of `MujocoEnv` that a learned environment has, and reasons for the others."""

    _core: EnvCore
    state: Any

    @property
    def reference_id(self) -> str:
        """The Gymnasium id of the environment that this one is modelled on."""
        return self._core.task.reference_id

    @property
    def dt(self) -> float:
        """Time of one step, seconds."""
        return self._core.task.spec.dt

    @property
    def frame_skip(self) -> int:
        """How many steps of MuJoCo's solver one step stands for."""
        return self._core.task.spec.frame_skip

    @property
    def init_qpos(self) -> Array:
        """The reference positions, (nq) float64."""
        return np.array(self._core.task.spec.q0, dtype=np.float64)

    @property
    def init_qvel(self) -> Array:
        """The velocities at rest, (nv) float64."""
        return np.zeros(self._core.task.spec.nv)

    def state_vector(self) -> Array:
        """Return positions and velocities, (nq + nv), or a row for each environment, float64.

        Raises:
            ResetNeededError: before the first reset.
        """
        state: State = self.state
        return torch.cat([state.q, state.v], -1).double().cpu().numpy()

    @property
    def is_healthy(self) -> Any:
        """Whether the system stands as its task wants it: a bool, or one for each environment.

        Raises:
            AttributeError: if the reference environment knows no health.
            ResetNeededError: before the first reset.
        """
        healthy = getattr(self._core.task, "healthy", None)
        if healthy is None:
            raise AttributeError(f"{self.reference_id} has no is_healthy.")
        values = healthy(self.state).cpu().numpy()
        return values if values.ndim else bool(values)

    @property
    def model(self) -> NoReturn:
        """MuJoCo's model, which a learned environment does not have."""
        raise self._no_mujoco("model")

    @property
    def data(self) -> NoReturn:
        """MuJoCo's data, which a learned environment does not have."""
        raise self._no_mujoco("data")

    def _no_mujoco(self, name: str) -> AttributeError:
        return AttributeError(
            f"A learned environment has no MuJoCo {name}. Read `state`, `state_vector()`, "
            "`init_qpos`, `dt` or `frame_skip`, and move the system by `set_state(q, v)`; for the "
            f"rest, make the real environment: gym.make({self.reference_id!r})."
        )
