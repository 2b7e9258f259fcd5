"""Environments whose rewards are sums of many terms, a method each."""

import numpy as np
from own_robots import Robot


class Joints:
    """Costs of joints, which another object knows."""

    def __init__(self, robot):
        self.robot = robot

    def hip(self):
        if self.robot.data.qpos[3] > 0.5:
            return -1.0
        return -0.2 if self.robot.data.qpos[3] > 0.2 else 0.0

    def knee(self):
        return -1.0 if self.robot.data.qpos[4] > 0.5 else 0


class Terms(Robot):
    """Has terms of two or three ways each, which together are 3,000."""

    def begin(self):
        self.count = 0
        self.joints = Joints(self)

    def speed(self):
        speed = self.data.qvel[0]
        if speed > 1:
            return 1.0
        return speed if speed > 0 else -0.5 * speed

    def upright(self):
        return 0.3 if abs(self.data.qpos[2]) < 0.2 else 0.0

    def ball(self):
        if self.data.qpos[5] > 0.5:
            return 2.0, True
        return 0.0, False

    def foot(self):
        for contact in self.data.contact:
            if {contact.geom1, contact.geom2} == {self.model.geom("foot").id, 0}:
                return 1.0 if self.data.qvel[1] < 0 else 0.5
        return 0.0

    def fill(self, terms, info):
        if self.data.qpos[0] > 0.1:
            terms[0] = 1.0
            info["right"] = True
        else:
            info["right"] = False

    def tick(self):
        self.count += 1
        return 1.0 if self.count % 3 == 0 else 0.0

    @property
    def fallen(self):
        return self.data.qpos[1] < -0.1 or not np.isfinite(self.data.qpos).all()

    def step(self, action):
        self.physics(action)
        paid, won = self.ball()
        reward = paid + self.speed() + self.upright() + self.foot()
        reward += self.joints.hip() + self.joints.knee()
        terms, info = np.zeros(2), {"won": won}
        self.fill(terms, info)
        reward += self.tick() - 5 * self.fallen + terms.sum()
        return self._get_obs(), reward, self.fallen or won, False, info
