"""Environments whose steps cannot be traced, one trait each."""

import random
from random import uniform

import mujoco
import numpy as np
from own_robots import Robot


class Stepping(Robot):
    """Does something behind physics, and is paid for it."""

    def step(self, action):
        self.prepare(action)
        self.physics(action)
        return self._get_obs(), self.pay(action), False, False, {}

    def prepare(self, action):
        """Do nothing."""

    def pay(self, action):
        return 0.0


class Loops(Stepping):
    def pay(self, action):
        x = self.data.qpos[0]
        while x > 0.001:
            x = x / 2
        return x


class Ranges(Stepping):
    def pay(self, action):
        return sum(1.0 for _ in range(int(abs(self.data.qpos[0]) * 10)))


class Draws(Stepping):
    def prepare(self, action):
        self.physics(action + self.np_random.normal(size=2))


class DrawsAtLarge(Stepping):
    def pay(self, action):
        return np.random.uniform()  # noqa: NPY002


class DrawsFromPython(Stepping):
    def pay(self, action):
        return random.random() + uniform(0, 1)


class Pushes(Stepping):
    def pay(self, action):
        self.data.xfrc_applied[1, 0] = action[0]
        return 0.0


class Places(Stepping):
    def pay(self, action):
        self.data.qpos[0] = 0.0
        return 0.0


class Looks(Stepping):
    def step(self, action):
        mujoco.mj_forward(self.model, self.data)
        x = self.data.xpos[1, 0]
        self.physics(action)
        return self._get_obs(), x, False, False, {}


class PlacesByName(Stepping):
    def pay(self, action):
        self.data.joint("x").qvel[0] = 0.0
        return 0.0


class Sorts(Stepping):
    def pay(self, action):
        return np.argsort(self.data.qpos)[0]


class Solves(Stepping):
    def pay(self, action):
        return np.linalg.solve(np.eye(2), self.data.qpos[:2])[0]


class Picks(Stepping):
    def pay(self, action):
        return [1.0, 2.0, 3.0][int(self.data.qpos[0] * 3)]


class Catches(Stepping):
    def pay(self, action):
        try:
            return float(np.argsort(self.data.qpos)[0])
        except Exception:
            return 0.0


class Masks(Stepping):
    def pay(self, action):
        return np.sum(self.data.qpos[self.data.qpos > 0])


class Jacobian(Stepping):
    def pay(self, action):
        jacobian = np.zeros((3, self.model.nv))
        mujoco.mj_jacSite(self.model, self.data, jacobian, None, 1)
        return jacobian[0, 0]


class Rays(Stepping):
    def pay(self, action):
        geom = np.zeros(1, np.int32)
        return mujoco.mj_ray(self.model, self.data, self.data.xpos[1], [0, 0, -1], None, 1, 1, geom)


class Solver(Stepping):
    def pay(self, action):
        return np.sum(self.data.efc_force)


class WritesOutside(Stepping):
    def pay(self, action, outside=np.zeros(2)):  # noqa: B008
        outside[0] = self.data.qpos[0]
        return outside[0]


class TwiceOrOnce(Stepping):
    def prepare(self, action):
        if self.data.qpos[0] > 0:
            self.physics(action)


class ForgetsPhysics(Robot):
    def step(self, action):
        return self._get_obs(), 0.0, False, False, {}


class OtherShape(Stepping):
    def step(self, action):
        self.physics(action)
        seen = self.data.qpos[:3] if self.data.qpos[0] > 0 else self.data.qpos[:4]
        return seen, 0.0, False, False, {}


class OtherInfo(Stepping):
    def step(self, action):
        self.physics(action)
        info = {"shape": self.data.qpos[:3] if self.data.qpos[0] > 0 else self.data.qpos[:4]}
        return self._get_obs(), 0.0, False, False, info


class ManyConditions(Stepping):
    def pay(self, action):
        total = 0.0
        for number in self.data.qpos:
            if number > 0:
                total += number
        return total


class Text(Stepping):
    def pay(self, action):
        return float(str(self.data.qpos[0]))


class Mistake(Stepping):
    def pay(self, action):
        return self.data.qpos.byteswap()[0]
