"""A Unitree Go1 that follows a velocity, as a Gymnasium environment.

gymnasium.make("go1:Go1Velocity-v0") from this folder, which imports this file and so registers it.
"""

from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium import utils
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box

XML_FILE = str(Path(__file__).with_name("go1.xml"))

DEFAULT_CAMERA_CONFIG = {"trackbodyid": 1, "distance": 1.5, "elevation": -15.0, "azimuth": 130.0}


class Go1VelocityEnv(MujocoEnv, utils.EzPickle):
    """A quadruped walks as it is told.

    ## Action
    Twelve numbers from -1 to 1: how far each joint's target is from the standing pose, in units of
    `action_scale` radians. The MJCF's position actuators follow the targets.

    ## Observation
    Gravity in the trunk's frame (3), the trunk's angular velocity (3) and linear velocity (3) in
    its own frame, joint angles from the standing pose (12), joint velocities (12), the last action
    (12) and the commanded velocity: forward, left in m/s, turning left in rad/s (3).

    ## Reward
    `tracking_weight` times how well the velocity is followed, `turning_weight` times how well the
    turning rate is, less the costs of effort and of actions that jump.

    ## Episode
    It starts near the standing pose with a command that is drawn anew. It ends when the trunk is
    lower than `fall_height` or tilted by more than `fall_tilt`.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"],
        "render_fps": 50,
    }

    def __init__(
        self,
        xml_file=XML_FILE,
        frame_skip=4,
        action_scale=0.4,
        command_low=(-0.5, -0.3, -0.7),
        command_high=(1.0, 0.3, 0.7),
        tracking_weight=1.0,
        turning_weight=0.5,
        tracking_width=0.25,
        effort_cost_weight=2e-4,
        jerk_cost_weight=0.01,
        fall_height=0.15,
        fall_tilt=1.0,
        reset_noise_scale=0.05,
        **kwargs,
    ):
        utils.EzPickle.__init__(
            self,
            xml_file,
            frame_skip,
            action_scale,
            command_low,
            command_high,
            tracking_weight,
            turning_weight,
            tracking_width,
            effort_cost_weight,
            jerk_cost_weight,
            fall_height,
            fall_tilt,
            reset_noise_scale,
            **kwargs,
        )
        self._action_scale = action_scale
        self._command_low = np.array(command_low)
        self._command_high = np.array(command_high)
        self._tracking_weight = tracking_weight
        self._turning_weight = turning_weight
        self._tracking_width = tracking_width
        self._effort_cost_weight = effort_cost_weight
        self._jerk_cost_weight = jerk_cost_weight
        self._fall_height = fall_height
        self._fall_tilt = fall_tilt
        self._reset_noise_scale = reset_noise_scale

        MujocoEnv.__init__(
            self,
            xml_file,
            frame_skip,
            observation_space=Box(-np.inf, np.inf, shape=(48,), dtype=np.float64),
            default_camera_config=DEFAULT_CAMERA_CONFIG,
            **kwargs,
        )
        self.action_space = Box(-1.0, 1.0, shape=(self.model.nu,), dtype=np.float32)

        home = self.model.key("home")
        self.init_qpos = home.qpos.copy()
        self._standing = home.ctrl.copy()
        self._last_action = np.zeros(self.model.nu)
        self._command = np.zeros(3)

    @property
    def _gravity(self):
        """The direction of gravity in the trunk's frame; (0, 0, -1) if it stands upright."""
        rotation = self.data.body("trunk").xmat.reshape(3, 3)
        return rotation.T @ np.array([0.0, 0.0, -1.0])

    @property
    def _velocity(self):
        """The trunk's linear velocity in its own frame, as its IMU has it."""
        return self.data.sensor("imu_lin_vel").data

    @property
    def _turning(self):
        """The trunk's angular velocity in its own frame."""
        return self.data.sensor("imu_ang_vel").data

    def step(self, action):
        """Move the joints towards their targets, and say how well the command was followed."""
        target = self._standing + self._action_scale * np.clip(action, -1.0, 1.0)
        self.do_simulation(target, self.frame_skip)

        jerk = action - self._last_action
        self._last_action = np.array(action, dtype=np.float64)

        reward, info = self._reward(jerk)
        height, upright = self.data.qpos[2], -self._gravity[2]
        terminated = bool(height < self._fall_height or upright < np.cos(self._fall_tilt))
        info["height"] = height
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, terminated, False, info

    def _reward(self, jerk):
        slip = np.sum((self._command[:2] - self._velocity[:2]) ** 2)
        drift = (self._command[2] - self._turning[2]) ** 2
        info = {
            "reward_tracking": self._tracking_weight * np.exp(-slip / self._tracking_width),
            "reward_turning": self._turning_weight * np.exp(-drift / self._tracking_width),
            "cost_effort": self._effort_cost_weight * np.sum(self.data.actuator_force**2),
            "cost_jerk": self._jerk_cost_weight * np.sum(jerk**2),
        }
        reward = (
            info["reward_tracking"]
            + info["reward_turning"]
            - info["cost_effort"]
            - info["cost_jerk"]
        )
        return reward, info

    def _observation(self):
        return np.concatenate(
            [
                self._gravity,
                self._turning,
                self._velocity,
                self.data.qpos[7:] - self._standing,
                self.data.qvel[6:],
                self._last_action,
                self._command,
            ]
        )

    def reset_model(self):
        """Stand up near the standing pose, and draw a command."""
        noise = self._reset_noise_scale
        qpos = self.init_qpos.copy()
        qpos[7:] += self.np_random.uniform(-noise, noise, size=self.model.nu)
        qvel = self.init_qvel + noise * self.np_random.standard_normal(self.model.nv)
        self.set_state(qpos, qvel)
        self._command = self.np_random.uniform(self._command_low, self._command_high)
        self._last_action = np.zeros(self.model.nu)
        return self._observation()

    def _get_reset_info(self):
        return {"height": self.data.qpos[2]}


gym.register(id="Go1Velocity-v0", entry_point=Go1VelocityEnv, max_episode_steps=1000)
