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

STEPPING = np.array([1.0, -1.0, -1.0, 1.0])
"""A trot: the front right and the rear left leg step together, and the other two in between.

In the order of the joints: front right, front left, rear right, rear left."""


class Go1VelocityEnv(MujocoEnv, utils.EzPickle):
    """A quadruped walks as it is told.

    ## Action
    Twelve numbers from -1 to 1: how far each joint's target is from a trot on the spot, in units of
    `action_scale` radians. The MJCF's position actuators follow the targets. The trot is the
    standing pose with legs that are drawn in by turns, `gait_frequency` times a second.

    ## Observation
    Gravity (3), angular velocity (3) and linear velocity (3), in the trunk's own frame; joint
    angles from the standing pose (12), joint velocities (12), sine and cosine of the trot's phase
    (2), the last action (12) and the commanded velocity: forward and left in m/s, turning left in
    rad/s (3).

    ## Reward
    `tracking_weight` times how well the velocity is followed, `turning_weight` times how well the
    turning rate is, less the costs of a trunk that bounces, rolls and tilts, of effort, and of
    actions that jump.

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
        action_scale=0.5,
        gait_frequency=2.0,
        gait_lift=0.2,
        command_low=(-0.6, -0.4, -0.8),
        command_high=(1.0, 0.4, 0.8),
        tracking_weight=1.0,
        turning_weight=0.5,
        tracking_width=0.25,
        bounce_cost_weight=0.5,
        roll_cost_weight=0.02,
        tilt_cost_weight=1.0,
        effort_cost_weight=1e-4,
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
            gait_frequency,
            gait_lift,
            command_low,
            command_high,
            tracking_weight,
            turning_weight,
            tracking_width,
            bounce_cost_weight,
            roll_cost_weight,
            tilt_cost_weight,
            effort_cost_weight,
            jerk_cost_weight,
            fall_height,
            fall_tilt,
            reset_noise_scale,
            **kwargs,
        )
        self._action_scale = action_scale
        self._gait_frequency = gait_frequency
        self._gait_lift = gait_lift
        self._command_low = np.array(command_low)
        self._command_high = np.array(command_high)
        self._tracking_weight = tracking_weight
        self._turning_weight = turning_weight
        self._tracking_width = tracking_width
        self._bounce_cost_weight = bounce_cost_weight
        self._roll_cost_weight = roll_cost_weight
        self._tilt_cost_weight = tilt_cost_weight
        self._effort_cost_weight = effort_cost_weight
        self._jerk_cost_weight = jerk_cost_weight
        self._fall_height = fall_height
        self._fall_tilt = fall_tilt
        self._reset_noise_scale = reset_noise_scale

        if "camera_id" not in kwargs:
            kwargs.setdefault("camera_name", "tracking")
        MujocoEnv.__init__(
            self,
            xml_file,
            frame_skip,
            observation_space=Box(-np.inf, np.inf, shape=(50,), dtype=np.float64),
            **kwargs,
        )
        self.action_space = Box(-1.0, 1.0, shape=(self.model.nu,), dtype=np.float32)

        home = self.model.key("home")
        self.init_qpos = home.qpos.copy()
        self._standing = home.ctrl.copy()
        self._last_action = np.zeros(self.model.nu)
        self._command = np.zeros(3)
        self._phase = 0.0

    def step(self, action):
        """Move the joints towards their targets, and say how well the command was followed."""
        action = np.clip(action, -1.0, 1.0)
        self._phase += 2 * np.pi * self._gait_frequency * self.dt
        self.do_simulation(self._trot() + self._action_scale * action, self.frame_skip)

        gravity, velocity, turning = self._motion()
        jerk = action - self._last_action
        self._last_action = np.array(action, dtype=np.float64)

        reward, info = self._reward(gravity, velocity, turning, jerk)
        height = self.data.qpos[2]
        info["height"] = height
        terminated = bool(height < self._fall_height or -gravity[2] < np.cos(self._fall_tilt))
        if self.render_mode == "human":
            self.render()
        return self._observation(gravity, velocity, turning), reward, terminated, False, info

    def _trot(self):
        """Joint targets of a trot on the spot: a leg is drawn in by its thigh and its calf."""
        lift = self._gait_lift * np.maximum(STEPPING * np.sin(self._phase), 0.0)
        return self._standing + np.outer(lift, [0.0, 1.0, -2.0]).ravel()

    def _motion(self):
        """Gravity's direction, the velocity in m/s and the angular one, in the trunk's frame.

        From qpos: MuJoCo's own rotation matrices are of the time before the last solver step.
        """
        w, x, y, z = self.data.qpos[3:7]
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        return -rotation[2], self.data.qvel[:3] @ rotation, self.data.qvel[3:6]

    def _reward(self, gravity, velocity, turning, jerk):
        slip = np.sum((self._command[:2] - velocity[:2]) ** 2)
        drift = (self._command[2] - turning[2]) ** 2
        info = {
            "reward_tracking": self._tracking_weight * np.exp(-slip / self._tracking_width),
            "reward_turning": self._turning_weight * np.exp(-drift / self._tracking_width),
            "cost_bounce": self._bounce_cost_weight * velocity[2] ** 2,
            "cost_roll": self._roll_cost_weight * np.sum(turning[:2] ** 2),
            "cost_tilt": self._tilt_cost_weight * np.sum(gravity[:2] ** 2),
            "cost_effort": self._effort_cost_weight * np.sum(self.data.actuator_force**2),
            "cost_jerk": self._jerk_cost_weight * np.sum(jerk**2),
        }
        costs = sum(value for name, value in info.items() if name.startswith("cost"))
        return info["reward_tracking"] + info["reward_turning"] - costs, info

    def _observation(self, gravity, velocity, turning):
        return np.concatenate(
            [
                gravity,
                turning,
                velocity,
                self.data.qpos[7:] - self._standing,
                self.data.qvel[6:],
                [np.sin(self._phase), np.cos(self._phase)],
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
        self._phase = 0.0
        return self._observation(*self._motion())

    def _get_reset_info(self):
        return {"height": self.data.qpos[2]}


gym.register(id="Go1Velocity-v0", entry_point=Go1VelocityEnv, max_episode_steps=500)
