"""A model that is MuJoCo itself: what differs from the real environment is hosting's doing."""

from collections.abc import Callable, Sequence

import mujoco
import numpy as np

from learned_envs.systems.copying import copy_data
from learned_envs.systems.hosting import Moved


class Oracle:
    """MuJoCo, on other data. It starts each step from q, v and what else physics is handed."""

    def __init__(self, data: mujoco.MjData, model: mujoco.MjModel, told: Sequence[str]) -> None:
        self.model, self.data, self.told = model, mujoco.MjData(model), told
        self.follow(data)

    def follow(self, data: mujoco.MjData) -> None:
        copy_data(data, self.data)

    def __call__(self, steps: int) -> Callable[[mujoco.MjModel, mujoco.MjData], Moved]:
        def move(model: mujoco.MjModel, data: mujoco.MjData) -> Moved:
            own = self.data
            for name in ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat"):
                getattr(own, name)[...] = getattr(data, name)
            mujoco.mj_step(model, own, steps)
            mujoco.mj_rnePostConstraint(model, own)
            arrays = {n: (slice(None), np.ravel(getattr(own, n)).copy()) for n in self.told}
            return Moved(own.qpos.copy(), own.qvel.copy(), arrays)

        return move
