"""What strangers pay."""

import ctypes
from collections import defaultdict
from types import SimpleNamespace

import mujoco
import numpy as np
from numpy.linalg import norm
from strangers.base import BUG, LEG, Held, registered


class Reward:
    """Terms with weights, in a class of their own."""

    def __init__(self, env, **weights):
        self.env, self.weights, self.sums = env, weights, defaultdict(float)

    def term_upright(self):
        return np.cos(self.env.data.qpos[2])

    def term_fast(self):
        return np.tanh(self.env.data.qvel[0])

    def __call__(self):
        terms = {k: w * getattr(self, f"term_{k}")() for k, w in self.weights.items()}
        for k, v in terms.items():
            self.sums[k] += v
        return sum(terms.values()), terms


class Terms(Held):
    xml, columns = LEG, 10

    def __init__(self):
        super().__init__()
        self.cfg = SimpleNamespace(weights={"upright": 0.5, "fast": 1.5}, limit=-0.3)
        self.rewards = Reward(self, **self.cfg.weights)

    def begin(self):
        self.rewards.sums.clear()

    def step(self, action):
        self.advance(action)
        reward, terms = self.rewards()
        done = bool(self.data.qpos[1] < self.cfg.limit)
        return (
            self._get_obs(),
            reward,
            done,
            False,
            {"rewards": terms, "total": self.rewards.sums["fast"]},
        )


class EarlyReturn(Held):
    """Returns early, truncates by itself, and counts."""

    def begin(self):
        self.steps = 0

    def step(self, action):
        self.steps += 1
        self.advance(action)
        obs = self._get_obs()
        if abs(self.data.qvel[0]) > 12:
            return obs, -10.0, True, False, {"why": "fast"}
        if self.steps >= 30:
            return obs, 0.0, False, True, {"why": "late"}
        return obs, 1.0 - self.steps / 30, False, False, {}


class Native(Held):
    """Hands a value to native code."""

    sine = ctypes.CDLL("libm.so.6").sin
    sine.restype, sine.argtypes = ctypes.c_double, [ctypes.c_double]

    def pay(self, action):
        return self.sine(float(self.data.qpos[0]))


class Jacobian(Held):
    def pay(self, action):
        jac = np.zeros((3, self.model.nv))
        mujoco.mj_jacSite(self.model, self.data, jac, None, self.model.site("hand").id)
        return norm(jac @ self.data.qvel)


class Ray(Held):
    xml, columns = LEG, 11

    def _get_obs(self):
        geom = np.zeros(1, np.int32)
        far = mujoco.mj_ray(
            self.model, self.data, self.data.qpos[:3], np.array([0, 0, -1.0]), None, 1, 1, geom
        )
        return np.concatenate([self.data.qpos, self.data.qvel, [far]])


class Energy(Held):
    """Kinetic energy by the mass matrix, and by the center of mass."""

    def pay(self, action):
        mass = np.zeros((self.model.nv, self.model.nv))
        mujoco.mj_fullM(self.model, mass, self.data.qM)
        return 0.5 * self.data.qvel @ mass @ self.data.qvel


class Centers(Held):
    xml, columns, spread = BUG, 16, 0.05

    def step(self, action):
        mass = np.expand_dims(self.model.body_mass, axis=1)
        before = (np.sum(mass * self.data.xipos, axis=0) / np.sum(mass))[0:2].copy()
        self.advance(action)
        after = (np.sum(mass * self.data.xipos, axis=0) / np.sum(mass))[0:2].copy()
        vx, vy = (after - before) / 0.02
        info = {"x": after[0], "distance": np.linalg.norm(self.data.qpos[0:2], ord=2)}
        return self._get_obs()[:16], vx - abs(vy), not np.isfinite(self.state()).all(), False, info

    def state(self):
        return np.concatenate([self.data.qpos.flatten(), self.data.qvel.flatten()])

    columns = 16

    def _get_obs(self):
        return np.concatenate((self.data.qpos, self.data.qvel, self.data.subtree_com[1]))[:16]


IDS = registered(globals())
