"""What strangers show and pay."""

import math
from math import atan2

import mujoco
import numpy as np
from gymnasium.spaces import Box, Dict
from numpy.linalg import norm
from scipy.spatial.transform import Rotation
from strangers.base import ARM, BUG, Held, registered

GAINS = {"reach": 1.0, "effort": -0.1}


class GoalOfMocap(Held):
    columns = 10

    def begin(self):
        angle = self.np_random.uniform(-np.pi, np.pi)
        self.data.mocap_pos[0] = [0.5 * np.cos(angle), 0, 1 + 0.5 * np.sin(angle)]

    def _get_obs(self):
        hand = self.data.site("hand").xpos
        return np.hstack((self.data.qpos, self.data.qvel, hand - self.data.site("goal").xpos, hand))

    def pay(self, action):
        d = norm(self.data.site("hand").xpos - self.data.site("goal").xpos)
        return GAINS["reach"] * -d + GAINS["effort"] * np.square(action).sum()


class GoalOfModel(Held):
    """The goal is a body of the model that a reset moves."""

    xml = ARM.replace('mocap="true" ', "")
    columns = 6

    def begin(self):
        self.goal_id = self.model.body("goal").id
        self.model.body_pos[self.goal_id, 0] = self.np_random.uniform(0.2, 0.5)
        self.model.body_pos[self.goal_id, 2] = self.np_random.uniform(0.8, 1.2)

    def _get_obs(self):
        goal = self.data.xpos[self.goal_id]
        return np.concatenate([self.data.qpos, self.data.qvel, goal[[0, 2]]])

    def pay(self, action):
        return -norm(self.data.site_xpos[0] - self.data.xpos[self.goal_id])


class GoalEnv(Held):
    """Dict observations with goals, and a compute_reward that takes batches."""

    def __init__(self):
        super().__init__()
        three = Box(-np.inf, np.inf, (3,), np.float64)
        seen = Box(-np.inf, np.inf, (4,), np.float64)
        self.observation_space = Dict(observation=seen, achieved_goal=three, desired_goal=three)

    def begin(self):
        self.goal = np.array([0.3, 0.0, 1.0]) + self.np_random.uniform(-0.2, 0.2, 3)

    def _get_obs(self):
        return {
            "observation": np.concatenate([self.data.qpos, self.data.qvel]),
            "achieved_goal": self.data.site("hand").xpos.copy(),
            "desired_goal": self.goal.copy(),
        }

    def compute_reward(self, achieved_goal, desired_goal, info):
        d = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
        return -(d > 0.2).astype(np.float32)

    def step(self, action):
        self.advance(action)
        obs = self._get_obs()
        d = np.linalg.norm(obs["achieved_goal"] - obs["desired_goal"])
        info = {"is_success": float(d < 0.2), "distance": d, "sub": {"x": 1.0}, "name": "arm"}
        reward = self.compute_reward(obs["achieved_goal"], obs["desired_goal"], info)
        return obs, reward, bool(d < 0.02), False, info


class Float32(Held):
    """Observations in float32, normalised and clipped."""

    def __init__(self):
        super().__init__()
        self.observation_space = Box(-5, 5, (4,), np.float32)
        self.mean, self.std = np.array([0.1, -0.1, 0, 0.0]), np.array([1.0, 1.0, 3.0, 3.0])

    def _get_obs(self):
        raw = np.concatenate([self.data.qpos, self.data.qvel])
        return np.clip((raw - self.mean) / (self.std + 1e-8), -5, 5).astype(np.float32)

    def pay(self, action):
        return float(-np.abs(self._get_obs()).sum())


class Sensors(Held):
    """Reads sensors by name, address and slice."""

    columns = 16

    def _get_obs(self):
        quat = self.data.sensor("quat").data
        start = self.model.sensor_adr[
            mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_SENSOR, "vel")
        ]
        vel = self.data.sensordata[start : start + 3]
        return np.concatenate(
            [
                self.data.qpos,
                self.data.qvel,
                quat,
                self.data.sensor("gyro").data,
                vel,
                [atan2(quat[2], quat[0]), 0.0],
            ]
        )

    def pay(self, action):
        return -float(np.sum(self.data.sensor("jp").data ** 2))


class Accelerates(Held):
    """Sees an accelerometer, which depends on the solver."""

    columns = 7

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.sensor("acc").data])


class Rotations(Held):
    """Euler angles by scipy."""

    xml, columns, spread = BUG, 3, 0.05

    def _get_obs(self):
        w, x, y, z = self.data.qpos[3:7]
        return Rotation.from_quat([x, y, z, w]).as_euler("xyz")


class Halves(Held):
    """A while loop on a value."""

    def pay(self, action):
        x = abs(self.data.qpos[0])
        while x > 0.01:
            x *= 0.5
        return x


class Wraps(Held):
    """A while loop that brings an angle into a turn."""

    def pay(self, action):
        angle = self.data.qpos[0]
        while angle > np.pi:
            angle -= 2 * np.pi
        while angle < -np.pi:
            angle += 2 * np.pi
        return -abs(angle)


class Rounds(Held):
    """int(), round(), math and a chain of conditions."""

    columns = 3

    def _get_obs(self):
        x, y = self.data.qpos
        return np.array([round(float(x), 2), int(10 * y), math.floor(x * 4) / 4])

    def pay(self, action):
        x = float(self.data.qpos[0])
        if x > 1.0:
            return 3.0
        if 0.5 < x <= 1.0:
            return 2.0
        if math.isclose(x, 0.0, abs_tol=0.05) or x < -2:
            return math.exp(-(x**2))
        return math.copysign(0.5, x)


class Tries(Held):
    """Counts on an error that arrays do not raise."""

    def pay(self, action):
        x = float(self.data.qpos[0])
        try:
            return math.sqrt(x)
        except ValueError:
            return -1.0


class Selects(Held):
    columns = 6

    def _get_obs(self):
        q, v = self.data.qpos, self.data.qvel
        kind = np.select([q > 0.5, q < -0.5], [v, -v], default=0.0)
        both = np.where(v > 0, q, np.stack([q, v]).T[:, 1])
        return np.einsum("i,ij->j", np.concatenate([kind, both]), np.eye(4, 6)) + np.tile(q, 3)

    def pay(self, action):
        speed = self.data.qvel.copy()
        speed[speed < 0] = 0
        best = np.argmax(np.abs(self.data.qpos))
        return speed.sum() + [0.1, 0.2][best] * np.sort(self.data.qpos)[0]


class Masked(Held):
    """A sum over those that a mask picks."""

    def pay(self, action):
        return np.sum(self.data.qvel[self.data.qvel > 0])


class Interpolates(Held):
    def pay(self, action):
        return np.interp(self.data.qpos[0], [-1, 0, 1], [0.0, 1.0, 0.0]) + np.polyval(
            [1, 2], self.data.qpos[1]
        )


class Indexes(Held):
    """Picks a row by where it is."""

    rows = np.arange(8.0)

    def pay(self, action):
        cell = int(np.clip((self.data.qpos[0] + 2) * 2, 0, 7))
        return self.rows[cell]


IDS = registered(globals())
