"""Strangers' walkers: by inheritance, by repeats, with commands."""

import mujoco
import numpy as np
from gymnasium import utils
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from strangers.base import BUG, LEG, Held, registered


class OldStyle(MujocoEnv, utils.EzPickle):
    """Gymnasium's v4: a file, np.random noise of reset_model, and a healthy property."""

    metadata = {"render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"]}  # noqa: RUF012
    text = LEG

    def __init__(self, forward=1.0, **kwargs):
        import tempfile
        from pathlib import Path

        utils.EzPickle.__init__(self, forward, **kwargs)
        path = Path(tempfile.mkdtemp()) / "leg.xml"
        path.write_text(self.text)
        self._forward = forward
        space = Box(-np.inf, np.inf, (9,), np.float64)
        MujocoEnv.__init__(self, str(path), 4, observation_space=space, **kwargs)

    @property
    def is_healthy(self):
        z, angle = self.data.qpos[1:3]
        state = self.state_vector()[2:]
        return bool(np.all(np.logical_and(state > -50, state < 50)) and z > -0.3 and abs(angle) < 1)

    @property
    def done(self):
        return not self.is_healthy

    def step(self, a):
        x = self.data.qpos[0]
        self.do_simulation(a, self.frame_skip)
        v = (self.data.qpos[0] - x) / self.dt
        reward = self._forward * v + self.is_healthy - 1e-3 * np.square(a).sum()
        if self.render_mode == "human":
            self.render()
        return self._get_obs(), reward, self.done, False, {"x_velocity": v}

    def _get_obs(self):
        return np.concatenate((self.data.qpos.flat[1:], np.clip(self.data.qvel.flat, -10, 10)))

    def reset_model(self):
        noise = self.np_random.uniform(-0.05, 0.05, self.model.nq)
        self.set_state(
            self.init_qpos + noise,
            self.init_qvel + 0.05 * self.np_random.standard_normal(self.model.nv),
        )
        return self._get_obs()


class Scaled(Held):
    """Actions of another range than the controls, in float64, named by dict."""

    def __init__(self):
        super().__init__()
        self.action_space = Box(np.array([-5.0, 0.0]), np.array([5.0, 10.0]), dtype=np.float64)

    def step(self, action):
        low, high = self.action_space.low, self.action_space.high
        unit = 2.0 * (action - low) / (high - low) - 1.0
        for name, u in zip(("m1", "m2"), unit, strict=True):
            self.data.actuator(name).ctrl = u
        mujoco.mj_step(self.model, self.data, nstep=self.skip)
        return self._get_obs(), -float((unit**2).sum()), False, False, {}


class Repeats(Held):
    """Repeats an action and stops the repeats when it falls: the time of a step varies."""

    xml, columns = LEG, 10

    def step(self, action):
        total = 0.0
        for _ in range(4):
            self.advance(action)
            total += self.data.qvel[0]
            if self.data.qpos[1] < -0.3:
                break
        return self._get_obs(), total, self.data.qpos[1] < -0.3, False, {}


class SumsOver(Held):
    """Sums a reward over an action's repeats."""

    def step(self, action):
        total = 0.0
        for _ in range(3):
            self.advance(action)
            total += float(np.cos(self.data.qpos[0]))
        return self._get_obs(), total / 3, False, False, {}


class Quat(Held):
    """A free body: heading, projected gravity, commands that a reset draws."""

    xml, columns, spread = BUG, 14, 0.05

    def begin(self):
        self.command = self.np_random.uniform(-1, 1, size=3)
        self.last_action = np.zeros(2)

    def _get_obs(self):
        rot = self.data.body("trunk").xmat.reshape(3, 3)
        gravity = rot.T @ np.array([0, 0, -1.0])
        return np.concatenate(
            [
                gravity,
                rot.T @ self.data.qvel[:3],
                self.data.qvel[3:6] * 0.25,
                self.command,
                self.last_action,
            ]
        )

    def step(self, action):
        self.advance(action)
        w, x, y, z = self.data.qpos[3:7]
        roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1, 1))
        local = self.data.body("trunk").xmat.reshape(3, 3).T @ self.data.qvel[:3]
        track = np.exp(-np.sum(np.square(self.command[:2] - local[:2])) / 0.25)
        rate = np.sum((action - self.last_action) ** 2)
        self.last_action = action.copy()
        fell = abs(roll) > 1.0 or abs(pitch) > 1.0
        return (
            self._get_obs(),
            track - 0.05 * rate - 1.0 * fell,
            bool(fell),
            False,
            {"track": track},
        )


IDS = registered(globals())
