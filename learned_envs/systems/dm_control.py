"""The tasks of dm_control's suite as Gymnasium environments.

gymnasium.make("learned_envs.systems.dm_control:DmControl/cheetah-run-v0")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box, Dict

from learned_envs import argument
from learned_envs.errors import DependencyError

try:
    from dm_control import suite
except ImportError as error:
    raise DependencyError(
        "Tasks of dm_control need its package. Run `pip install 'learned-envs[dm-control]'`."
    ) from error

Array = np.ndarray[Any, Any]

LIMIT = 1000
"""Steps of an episode of every task but lqr, which has no end."""


class DmControlEnv(gym.Env[Any, Array]):
    """One task of the suite.

    An observation is the task's own dictionary. An episode ends where the task says so, and has no
    limit of steps: what registers the environment has.

    Attributes:
        physics: dm_control's.
        task: dm_control's.
        frame_skip: solver steps in a step.
        camera_id: of the camera that pictures are taken with.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        domain: str,
        task: str,
        task_kwargs: Mapping[str, Any] | None = None,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        camera_id: int = 0,
    ) -> None:
        """Load a task.

        Args:
            domain: of the suite, such as "cheetah".
            task: such as "run".
            task_kwargs: what the task's function takes.
            render_mode: "rgb_array" or None.
            width: of pictures.
            height: of pictures.
            camera_id: of the camera that pictures are taken with; -1 for a free one.

        Raises:
            ParameterError: if there is no such mode.
        """
        if render_mode is not None:
            argument.choice("render_mode", render_mode, self.metadata["render_modes"])
        loaded: Any = suite.load(domain, task, task_kwargs=dict(task_kwargs or {}))
        self.physics, self.task = loaded.physics, loaded.task
        self.frame_skip = round(loaded.control_timestep() / self.physics.timestep())
        self.metadata = {
            **type(self).metadata,
            "render_fps": round(1 / loaded.control_timestep()),
        }
        self.render_mode, self.camera_id, self._size = render_mode, camera_id, (height, width)
        spec = loaded.action_spec()
        low, high = (np.broadcast_to(x, spec.shape) for x in (spec.minimum, spec.maximum))
        self.action_space = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        loaded.reset()
        # A list keeps the task's own order, which a dictionary would lose.
        seen = [
            (name, Box(-np.inf, np.inf, np.shape(value), np.float64))
            for name, value in self.task.get_observation(self.physics).items()
        ]
        self.observation_space = Dict(seen)

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's model."""
        return self.physics.model.ptr

    @property
    def data(self) -> mujoco.MjData:
        """MuJoCo's data."""
        return self.physics.data.ptr

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin an episode; a seed reseeds the task's generator."""
        super().reset(seed=seed)
        if seed is not None:
            self.task._random = np.random.RandomState(self.np_random.integers(2**32))
        with self.physics.reset_context():
            self.task.initialize_episode(self.physics)
        return self._get_obs(), {}

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Act, as dm_control's own environment does."""
        self.task.before_step(action, self.physics)
        self.physics.step(self.frame_skip)
        self.task.after_step(self.physics)
        reward = self.task.get_reward(self.physics)
        seen = self._get_obs()
        discount = self.task.get_termination(self.physics)
        # With a discount that is not 0, a task cuts an episode short that could go on.
        ended = discount is not None
        terminated = ended and discount == 0
        return seen, reward, terminated, ended and not terminated, {}

    def render(self) -> Any:
        """Draw the scene; None without a mode."""
        if self.render_mode is None:
            return None
        return self.physics.render(*self._size, self.camera_id)

    def close(self) -> None:
        """Let go of the renderer."""
        self.physics.free()

    def _get_obs(self) -> dict[str, Array]:
        return dict(self.task.get_observation(self.physics))


for _domain, _task in suite.ALL_TASKS:
    gym.register(
        f"DmControl/{_domain}-{_task}-v0",
        entry_point=f"{__name__}:DmControlEnv",
        kwargs={"domain": _domain, "task": _task},
        max_episode_steps=None if _domain == "lqr" else LIMIT,
    )
