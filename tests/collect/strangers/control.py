"""How strangers turn actions into controls, and what they remember of them."""

import math
from collections import deque
from dataclasses import dataclass, field

import mujoco
import numpy as np
from gymnasium import utils
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from strangers.base import BUG, LEG, Held, registered


class PdEverySubstep(Held):
    def step(self, action):
        target = np.array([0.2, -0.3]) + 0.5 * np.asarray(action, np.float64)
        for _ in range(self.skip):
            torque = 3.0 * (target - self.data.qpos) - 0.2 * self.data.qvel
            self.data.ctrl[:] = np.clip(torque / self.model.actuator_gear[:, 0], -1, 1)
            mujoco.mj_step(self.model, self.data)
        return self._get_obs(), -float(np.sum(np.abs(torque))), False, False, {}


class PdEffort(Held):
    """Is paid for forces of a controller that acts in every solver step."""

    def step(self, action):
        for _ in range(self.skip):
            self.data.ctrl[:] = np.clip(action - self.data.qpos - 0.1 * self.data.qvel, -1, 1)
            mujoco.mj_step(self.model, self.data)
        effort = np.sum(np.abs(self.data.actuator_force * self.data.qvel))
        return self._get_obs(), -effort, False, False, {}


class PdOnce(Held):
    xml, columns = LEG, 10

    def step(self, action):
        kp, kd = 8.0, 0.4
        q, v = self.data.qpos[3:], self.data.qvel[3:]
        self.advance(np.clip(kp * (0.6 * action - q) - kd * v, -1, 1))
        fell = bool(self.data.qpos[1] < -0.25)
        return self._get_obs(), self.data.qvel[0] - 2.0 * fell, fell, False, {"fell": fell}


class DeltaActions(Held):
    columns = 6

    def begin(self):
        self.target = np.zeros(2)

    def _get_obs(self):
        return np.concatenate([super()._get_obs(), self.target])[-6:]

    def step(self, action):
        self.target = np.clip(self.target + 0.1 * action, -1.0, 1.0)
        self.advance(self.target)
        return self._get_obs(), -np.linalg.norm(self.target - self.data.qpos), False, False, {}


class LowPass(Held):
    columns = 6

    def begin(self):
        self._prev = np.zeros(self.model.nu, dtype=np.float32)

    def _get_obs(self):
        return np.r_[self.data.qpos, self.data.qvel, self._prev]

    def step(self, action):
        smooth = 0.2 * action + 0.8 * self._prev
        jerk = float(np.square(smooth - self._prev).mean())
        self._prev = smooth.astype(np.float32)
        self.advance(smooth)
        return self._get_obs(), 1.0 - jerk, False, False, {"jerk": jerk, "note": None}


class Delayed(Held):
    """Actions come two steps late, through a deque."""

    def begin(self):
        self.queue = deque([np.zeros(2), np.zeros(2)], maxlen=3)

    def step(self, action):
        self.queue.append(np.array(action, dtype=np.float64))
        self.advance(self.queue.popleft())
        return self._get_obs(), -abs(self.data.qpos[0]), False, False, {}


class Stacked(Held):
    """Shows three observations, in a deque."""

    columns = 12

    def begin(self):
        self.frames = deque([self.frame()] * 3, maxlen=3)

    def frame(self):
        return np.concatenate([self.data.qpos, self.data.qvel]).copy()

    def _get_obs(self):
        return np.concatenate(list(self.frames))

    def step(self, action):
        self.advance(action)
        self.frames.append(self.frame())
        return (
            self._get_obs(),
            float(-np.abs(self.frames[-1] - self.frames[0]).sum()),
            False,
            False,
            {},
        )


class Rolled(Held):
    """Keeps a history by np.roll."""

    columns = 8

    def begin(self):
        self.hist = np.zeros((4, 2))

    def _get_obs(self):
        return self.hist.flatten()

    def step(self, action):
        self.advance(action)
        self.hist = np.roll(self.hist, 1, axis=0)
        self.hist[0] = self.data.qpos
        return self._get_obs(), self.hist.std(), False, False, {}


class Pushed(Held):
    """Keeps a history by np.concatenate, and in a float32 buffer."""

    columns = 6

    def begin(self):
        self.buffer = np.zeros(6, np.float32)

    def _get_obs(self):
        return self.buffer.astype(np.float64)

    def step(self, action):
        self.advance(action)
        self.buffer = np.concatenate([self.buffer[2:], self.data.qpos]).astype(np.float32)
        return self._get_obs(), float(self.buffer[-1]), False, False, {}


class GaitOfTime(Held):
    xml, columns = LEG, 12

    def _get_obs(self):
        phase = 2 * math.pi * ((self.data.time % 0.6) / 0.6)
        return np.concatenate([self.data.qpos, self.data.qvel, [math.sin(phase), math.cos(phase)]])

    def step(self, action):
        self.advance(action)
        swing = math.sin(2 * np.pi * self.data.time / 0.6) > 0
        height = self.data.site("toe").xpos[2]
        reward = height if swing else -height
        return self._get_obs(), reward, self.data.qpos[1] < -0.3, False, {}


class GaitOfCounter(Held):
    columns = 5

    def begin(self):
        self.n = 0

    def _get_obs(self):
        return np.append(np.concatenate([self.data.qpos, self.data.qvel]), (self.n % 10) / 10)

    def step(self, action):
        self.n += 1
        table = np.array([0.0, 0.3, 0.5, 0.3, 0.0, -0.3, -0.5, -0.3, 0.0, 0.1])
        self.advance(0.5 * action + np.interp(self.n % 10, np.arange(10), table))
        return self._get_obs(), 1.0, self.n >= 50, False, {"n": self.n}


class Table(Held):
    """Looks a reference up at an index that it counts."""

    columns = 4

    def __init__(self):
        super().__init__()
        self.reference = np.sin(np.linspace(0, 6, 60)).reshape(30, 2)

    def begin(self):
        self.frame = int(self.np_random.integers(0, 30))

    def step(self, action):
        self.advance(action)
        self.frame = (self.frame + 1) % len(self.reference)
        wanted = self.reference[self.frame]
        return self._get_obs(), np.exp(-np.sum((wanted - self.data.qpos) ** 2)), False, False, {}


class Integral(Held):
    """A controller object with an integral, in a dataclass."""

    columns = 4

    @dataclass
    class Pid:
        gain: float = 0.5
        integral: np.ndarray = field(default_factory=lambda: np.zeros(2))

        def __call__(self, error, dt):
            self.integral += error * dt
            np.clip(self.integral, -1, 1, out=self.integral)
            return self.gain * error + 0.3 * self.integral

    def begin(self):
        self.pid = self.Pid()

    def step(self, action):
        self.advance(self.pid(action - self.data.qpos, self.dt))
        return self._get_obs(), -float(self.pid.integral @ self.pid.integral), False, False, {}

    @property
    def dt(self):
        return self.model.opt.timestep * self.skip


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
