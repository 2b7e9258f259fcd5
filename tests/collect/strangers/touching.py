"""How strangers ask what touches, and with what force."""

import mujoco
import numpy as np
from numpy.linalg import norm
from strangers.base import LEG, Held, registered


class ContactLoop(Held):
    xml, columns = LEG, 10

    def touches(self, one, other):
        for i in range(self.data.ncon):
            c = self.data.contact[i]
            names = {self.model.geom(c.geom1).name, self.model.geom(c.geom2).name}
            if names == {one, other}:
                return True
        return False

    def over(self):
        return self.touches("floor", "torso")

    def pay(self, action):
        return 1.0 if self.touches("floor", "foot") else 0.0


class ContactArray(Held):
    xml, columns = LEG, 10

    def pay(self, action):
        floor, foot = self.model.geom("floor").id, self.model.geom("foot").id
        pairs = self.data.contact.geom
        on_floor = np.isin(pairs, [floor, foot]).all(axis=1).any()
        return float(on_floor) * self.data.qvel[0]

    def over(self):
        return bool(self.data.qpos[1] < -0.3)


class ContactCount(Held):
    """Is paid by the number of contacts."""

    xml, columns = LEG, 10

    def pay(self, action):
        return -float(self.data.ncon)


class ContactForce(Held):
    xml, columns = LEG, 10

    def pay(self, action):
        total = 0.0
        for i in range(self.data.ncon):
            force = np.zeros(6)
            mujoco.mj_contactForce(self.model, self.data, i, force)
            total += force[0]
        return -1e-3 * total


class Touch(Held):
    xml, columns = LEG, 11

    def _get_obs(self):
        press = self.data.sensor("press").data[0]
        return np.concatenate([self.data.qpos, self.data.qvel, [float(press > 1.0)]])

    def pay(self, action):
        return 0.01 * min(self.data.sensor("press").data[0], 50.0)


class External(Held):
    xml, columns = LEG, 10

    def pay(self, action):
        forces = np.clip(self.data.cfrc_ext, -1, 1)
        effort = np.sum(np.abs(self.data.qfrc_actuator[3:] * self.data.qvel[3:]))
        return (
            -5e-3 * np.square(forces).sum() - 1e-3 * effort - 1e-4 * norm(self.data.actuator_force)
        )


IDS = registered(globals())
