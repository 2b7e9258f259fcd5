"""How strangers turn actions into controls, and what they remember of them."""

import math
from collections import deque
from dataclasses import dataclass, field

import mujoco
import numpy as np
from strangers.base import ARM, LEG, Held, registered


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


class PdMuscle(Held):
    """Controls slow actuators in every solver step."""

    xml, columns = (
        ARM.replace('<motor name="m1"', '<general dyntype="filter" dynprm=".05" name="m1"'),
        5,
    )

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.act])

    def step(self, action):
        for _ in range(self.skip):
            self.data.ctrl[:] = np.clip(action - self.data.qpos - 0.1 * self.data.qvel, -1, 1)
            mujoco.mj_step(self.model, self.data)
        return self._get_obs(), 0.0, False, False, {}


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


IDS = registered(globals())
