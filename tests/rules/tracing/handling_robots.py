"""Environments that handle MuJoCo's data and model in ways of their own."""

import mujoco
import numpy as np
from own_robots import DEFAULT_POSE, Robot


class Pushed(Robot):
    """Sets a speed, a force and a mocap body, as physics is to have them."""

    def step(self, action):
        velocity = np.clip(self.data.qvel, -0.5, 0.5)
        self.data.qvel[:] = velocity
        mujoco.mj_forward(self.model, self.data)
        self.data.xfrc_applied[1, 2] = 5.0 * action[1]
        self.physics(action)
        return self._get_obs(), self.data.xfrc_applied[1, 2], False, False, {}


class Drawn(Robot):
    """Draws a mass and a place in the model at reset, and holds a ball by a control of its own."""

    STANCE = np.array([0.5, 0.2])

    def begin(self):
        self.model.site_pos[0] = self.np_random.uniform(-1, 1, 3)
        self.model.body_mass[1] = self.np_random.uniform(1, 2)

    def step(self, action):
        controls = self.STANCE.copy()
        controls[0] += action[0]
        controls[1] = DEFAULT_POSE[1]
        self.data.ctrl += 0.5 * (controls - self.data.ctrl)
        mujoco.mj_step(self.model, self.data, nstep=2)
        target = self.model.site("imu").pos * self.model.body_mass[1]
        away = np.linalg.norm(self.data.qpos[:3] - target - self.model.site_pos[0])
        return self._get_obs(), -away, False, False, {"nu": self.model.nu}


class Fresh(Robot):
    """Computes positions anew behind physics."""

    columns = 3

    def _get_obs(self):
        return self.data.site_xpos[1].copy()

    def step(self, action):
        self.physics(action)
        lagging = self.data.site("toe").xpos.copy()
        mujoco.mj_forward(self.model, self.data)
        reward = self.data.site("toe").xpos[2] - lagging[2]
        return self._get_obs(), reward, False, False, {}


class Raising(Robot):
    """Raises errors at states that are not finite, and asserts what it is given."""

    def step(self, action):
        assert self.action_space.contains(np.clip(action, -1, 1)), "no action"
        self.physics(action)
        if not np.isfinite(self.data.qpos).all():
            raise RuntimeError("The simulation went wrong.")
        return self._get_obs(), 1.0, False, False, {}


STEPS_TAKEN = 0


class Holding(Robot):
    """Keeps arrays and things that look into MuJoCo's data, and counts in a global."""

    def __init__(self):
        super().__init__()
        self.trunk = self.data.body("trunk")
        self.places = {"ball": self.data.qpos[5:8], "feet": [self.data.site_xpos[1]]}
        self.speeds = self.data.qvel

    def step(self, action):
        global STEPS_TAKEN
        STEPS_TAKEN += 1
        height = float(self.trunk.xpos[2])
        still = self.speeds[:3]
        moved = self.speeds[:3].copy()
        self.physics(action)
        away = np.linalg.norm(self.places["ball"] - self.places["feet"][0])
        reward = self.trunk.xpos[2] - height + np.sum((self.speeds[:3] - still) ** 2) - away
        return self._get_obs(), reward + np.sum(moved), False, False, {}


class Velocities(Robot):
    """Asks MuJoCo for the velocities of things."""

    def step(self, action):
        self.physics(action)
        mujoco.mj_forward(self.model, self.data)
        toe, trunk = np.zeros(6), np.zeros(6)
        kinds = mujoco.mjtObj
        mujoco.mj_objectVelocity(self.model, self.data, kinds.mjOBJ_SITE, 1, toe, 1)
        mujoco.mj_objectVelocity(self.model, self.data, kinds.mjOBJ_BODY, 2, trunk, 0)
        return self._get_obs(), toe.sum() + trunk[3] * 2, False, False, {}
