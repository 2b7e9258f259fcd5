"""An arm that presses a spot on a table: an environment as a user of Gymnasium would write it."""

from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from gymnasium.utils import EzPickle

MODEL = Path(__file__).parent / "presser.xml"


class PresserEnv(MujocoEnv, EzPickle):
    """A planar arm of three joints has to put its tip on a spot of the table, and to keep it there.

    The motors follow the action slowly: they get a low-pass filter of it. Where the spot is, is
    drawn at every reset. Pressing is paid if the tip touches the table near the spot. The episode
    ends if the elbow sinks to the table.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["human", "rgb_array", "depth_array"],
        "render_fps": 50,
    }

    def __init__(
        self,
        press_reward: float = 1.0,
        tolerance: float = 0.05,
        lowest_elbow: float = 0.1,
        **kwargs,
    ) -> None:
        EzPickle.__init__(self, press_reward, tolerance, lowest_elbow, **kwargs)
        self._press_reward = press_reward
        self._tolerance = tolerance
        self._lowest_elbow = lowest_elbow
        self._command = np.zeros(3)
        self._spot = 0.45
        space = Box(-np.inf, np.inf, shape=(15,), dtype=np.float64)
        MujocoEnv.__init__(
            self, str(MODEL), 5, observation_space=space, camera_name="side", **kwargs
        )

    def step(self, action):
        """Let the arm follow the action for a fiftieth of a second."""
        before = self._command.copy()
        self._command = 0.6 * self._command + 0.4 * np.asarray(action)
        self.do_simulation(self._command, self.frame_skip)

        gap = self._gap()
        distance = np.linalg.norm(gap)
        pressing = self._touches("tip", "table") and abs(gap[0]) < self._tolerance
        reward = np.exp(-10.0 * distance)
        if pressing:
            reward += self._press_reward
        reward -= 0.02 * np.sum(np.square(action)) + 0.1 * np.sum(np.square(self._command - before))

        elbow = self.data.body("lower").xpos[2]
        terminated = bool(elbow < self._lowest_elbow)
        info = {"distance": distance, "pressing": pressing}
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, terminated, False, info

    def reset_model(self):
        """Draw a spot and a posture."""
        self._spot = self.np_random.uniform(0.25, 0.5)
        self._command = np.zeros(3)
        arm = np.array([-0.6, 1.2, 0.4]) + self.np_random.uniform(-0.15, 0.15, size=3)
        self.set_state(arm, 0.05 * self.np_random.standard_normal(3))
        return self._observation()

    def _gap(self):
        """From the tip to where its centre is when it lies on the spot: (x, z) in m."""
        tip = self.data.site("tip").xpos
        return np.array([self._spot - tip[0], 0.02 - tip[2]])

    def _touches(self, first, second):
        one = self.model.geom(first).id
        other = self.model.geom(second).id
        for contact in self.data.contact[: self.data.ncon]:
            if {contact.geom1, contact.geom2} == {one, other}:
                return True
        return False

    def _observation(self):
        angles = self.data.qpos
        return np.concatenate(
            [
                np.cos(angles),
                np.sin(angles),
                np.clip(self.data.qvel, -10, 10),
                self._command,
                self._gap(),
                [self._spot],
            ]
        )


gym.register("Presser-v0", entry_point=PresserEnv, max_episode_steps=200)
