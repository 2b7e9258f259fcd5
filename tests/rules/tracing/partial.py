"""Environments parts of whose steps can be traced."""

import mujoco
import numpy as np
from own_robots import Robot


class Forced(Robot):
    """Is paid for the forces of contacts, which a method sums."""

    def contact_cost(self, weight):
        force, total = np.zeros(6), 0.0
        for index in range(self.data.ncon):
            mujoco.mj_contactForce(self.model, self.data, index, force)
            total += weight * abs(force[0])
        return total

    @property
    def sorted_speeds(self):
        return np.argsort(self.data.qvel)[:3]

    def step(self, action):
        self.physics(np.clip(action, -0.5, 0.5))
        reward = self.data.qvel[0] - self.contact_cost(0.1) - self.sorted_speeds[0]
        return self._get_obs(), reward, self.data.qpos[1] < -0.2, False, {}


class Inline(Robot):
    """Does in step() itself what cannot be traced."""

    def step(self, action):
        self.physics(np.clip(action, -0.5, 0.5))
        reward = np.argsort(self.data.qvel)[0]
        return self._get_obs(), reward, self.data.qpos[1] < -0.2, False, {}


class InlineBefore(Robot):
    """Does before physics what cannot be traced."""

    def step(self, action):
        self.physics(np.argsort(action))
        return self._get_obs(), 0.0, False, False, {}
