"""The environment of a file: q and v are seen, nothing is paid, and nothing ends.

gymnasium.make("learned_envs.systems.bare:BareMujoco-v0", xml_file="robot.xml")
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box

from learned_envs import argument
from learned_envs.errors import ParameterError, SystemSpecError

Array = np.ndarray[Any, Any]

LINES = (int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE))
"""Joints of one number."""

STEP = 0.02
"""Seconds of an environment step, if nobody says how many solver steps it has."""


class BareEnv(MujocoEnv):
    """What an MJCF or a URDF moves, by its actuators' controls.

    An observation is q, v and the activations of actuators. An episode starts at the first
    keyframe, or else at the reference pose, moved by normal noise within the joints' limits.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"]
    }

    def __init__(
        self,
        xml_file: str | os.PathLike[str],
        frame_skip: int | None = None,
        reset_noise_scale: float = 0.1,
        **kwargs: Any,
    ) -> None:
        """Load a file.

        Args:
            xml_file: an MJCF or a URDF.
            frame_skip: solver steps in a step; as many as 0.02 s have if None.
            reset_noise_scale: standard deviation of starts, metres, radians, and those a second.
            **kwargs: go to Gymnasium's `MujocoEnv`, such as `render_mode`.

        Raises:
            ParameterError: if there is no such file, or MuJoCo cannot load it.
            SystemSpecError: if an actuator has no range.
        """
        path = Path(argument.path("xml_file", xml_file)).resolve()
        try:
            model = mujoco.MjModel.from_xml_path(str(path))
        except ValueError as error:
            raise ParameterError(
                f"MuJoCo cannot load {path}: {error} Give an MJCF or a URDF that it can."
            ) from error
        for index in range(model.nu):
            low, high = model.actuator_ctrlrange[index]
            if not low < high:
                raise SystemSpecError(
                    f"Actuator {model.actuator(index).name or index!r} of {path.name} has no range "
                    "of controls, so what to try is unknown. Give it a ctrlrange."
                )
        if frame_skip is None:
            frame_skip = max(1, round(STEP / model.opt.timestep))
        self._reset_noise_scale = reset_noise_scale
        steps = argument.count("frame_skip", frame_skip)
        rate = round(1 / (model.opt.timestep * steps))
        self.metadata = {**type(self).metadata, "render_fps": rate}
        size = model.nq + model.nv + model.na
        space = Box(-np.inf, np.inf, (size,), np.float64)
        super().__init__(str(path), steps, space, **kwargs)
        if self.model.nkey:
            self.init_qpos = self.model.key_qpos[0].copy()

    def _set_action_space(self) -> Box:
        # An actuator may have a range that its file does not make a limit.
        low, high = self.model.actuator_ctrlrange.astype(np.float32).T
        self.action_space = Box(low, high, dtype=np.float32)
        return self.action_space

    def step(self, action: Array) -> Any:
        """Control the actuators."""
        self.do_simulation(action, self.frame_skip)
        if self.render_mode == "human":
            self.mujoco_renderer.render("human")
        return self._get_obs(), 0.0, False, False, {}

    def reset_model(self) -> Array:
        """Draw a start."""
        model, q = self.model, self.init_qpos.copy()
        scale = self._reset_noise_scale
        mujoco.mj_integratePos(model, q, scale * self.np_random.normal(size=model.nv), 1.0)
        for joint in np.flatnonzero(model.jnt_limited):
            if int(model.jnt_type[joint]) in LINES:
                place = model.jnt_qposadr[joint]
                q[place] = np.clip(q[place], *model.jnt_range[joint])
        self.data.qpos[:] = q
        self.data.qvel[:] = scale * self.np_random.normal(size=model.nv)
        mujoco.mj_forward(model, self.data)
        return self._get_obs()

    def _get_obs(self) -> Array:
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.act])


gym.register("BareMujoco-v0", entry_point=f"{__name__}:BareEnv", max_episode_steps=1000)
