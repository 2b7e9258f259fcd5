"""Environments that ask which geoms touch, in the ways that people ask."""

import mujoco
import numpy as np
from own_robots import Robot


class Touching(Robot):
    """Is paid by what touches what."""

    def step(self, action):
        self.physics(action)
        reward, terminated = self.judge()
        return self._get_obs(), reward, terminated, False, {}


class Loops(Touching):
    """Loops over the number of contacts."""

    def touches(self, first, second):
        ids = {self.model.geom(first).id, self.model.geom(second).id}
        for i in range(self.data.ncon):
            contact = self.data.contact[i]
            if {contact.geom1, contact.geom2} == ids:
                return True
        return False

    def judge(self):
        reward = 1.0 if self.touches("foot", "floor") else 0.0
        if self.touches("ball", "wall"):
            reward += 10.0 * self.data.qpos[5]
        return reward, self.touches("trunk", "floor")


class Names(Touching):
    """Compares names of geoms, and falls if anything but the foot touches the floor."""

    def judge(self):
        fallen, kicked = False, 0.0
        for contact in self.data.contact[: self.data.ncon]:
            names = [
                mujoco.mj_id2name(self.model, mujoco.mjtObj.mjOBJ_GEOM, int(geom))
                for geom in contact.geom
            ]
            if "floor" in names and ("trunk" in names or "thigh" in names or "shin" in names):
                fallen = True
            if "ball" in names and "foot" in names:
                kicked = 1.0
        return kicked - 5.0 * fallen + self.data.qvel[0], fallen


class Arrays(Touching):
    """Compares arrays of geoms."""

    def judge(self):
        pairs = self.data.contact.geom
        foot, floor = self.model.geom("foot").id, self.model.geom("floor").id
        here = np.any(np.all(np.isin(pairs, [foot, floor]), axis=1))
        ball = (self.data.contact.geom1 == floor) & (
            self.data.contact.geom2 == self.model.geom("ball").id
        )
        return float(here) + 0.5 * bool(ball.any()) * self.data.qpos[1], False


class Counts(Touching):
    """Is paid for each contact."""

    def judge(self):
        return -0.1 * self.data.ncon, False


class Depth(Touching):
    """Is paid for how deep contacts are."""

    def judge(self):
        return sum(contact.dist for contact in self.data.contact), False


class Forces(Touching):
    """Is paid for the forces of contacts."""

    def judge(self):
        force = np.zeros(6)
        total = 0.0
        for i in range(self.data.ncon):
            mujoco.mj_contactForce(self.model, self.data, i, force)
            total += abs(force[0])
        return total, False


class Before(Touching):
    """Asks before physics."""

    def step(self, action):
        if self.data.ncon == 0:
            action = action * 0
        self.physics(action)
        return self._get_obs(), 0.0, False, False, {}


class Many(Touching):
    """Pays another price for each pair."""

    def judge(self):
        return sum({c.geom1 * 8 + c.geom2 for c in self.data.contact}), False
