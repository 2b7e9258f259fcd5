"""What strangers draw: at resets, in steps, and from where."""

import random
import time
from pathlib import Path

import mujoco
import numpy as np
from strangers.base import ARM, LEG, Held, registered

WEATHER = {"wind": 0.0}
STEPS_TAKEN = 0


class Masses(Held):
    """Randomises masses, damping and gears at a reset."""

    def __init__(self):
        super().__init__()
        self.nominal = self.model.body_mass.copy()

    def begin(self):
        self.model.body_mass[:] = self.nominal * self.np_random.uniform(
            0.7, 1.3, self.nominal.shape
        )
        self.model.dof_damping[:] = 0.3 * self.np_random.uniform(0.5, 2)
        self.model.actuator_gear[:, 0] = [4 * self.np_random.uniform(0.8, 1.2), 2.0]

    def pay(self, action):
        return -float(self.data.qpos @ self.data.qpos)


class Worlds(Held):
    """Randomises gravity, friction and where a foot is."""

    xml, columns = LEG, 10

    def begin(self):
        self.model.opt.gravity[2] = self.np_random.uniform(-11, -8)
        self.model.geom_friction[:, 0] = self.np_random.uniform(0.5, 1.5)
        self.model.geom_size[self.model.geom("foot").id, 0] = self.np_random.uniform(0.04, 0.06)

    def over(self):
        return bool(self.data.qpos[1] < -0.3)


class Gains(Held):
    """Randomises a servo's gains."""

    xml = ARM.replace(
        '<motor name="m1" joint="shoulder" gear="4"', '<position name="m1" joint="shoulder" kp="4"'
    )

    def begin(self):
        kp = self.np_random.uniform(2, 6)
        self.model.actuator_gainprm[0, 0] = kp
        self.model.actuator_biasprm[0, 1] = -kp


class Resamples(Held):
    """Draws a command anew every 20 steps, within step."""

    columns = 5

    def begin(self):
        self.t, self.command = 0, float(self.np_random.uniform(-1, 1))

    def _get_obs(self):
        return np.append(np.concatenate([self.data.qpos, self.data.qvel]), self.command)

    def step(self, action):
        self.advance(action)
        self.t += 1
        if self.t % 20 == 0:
            self.command = float(self.np_random.uniform(-1, 1))
        return self._get_obs(), -abs(self.command - self.data.qvel[0]), False, False, {}


class NoisySight(Held):
    def _get_obs(self):
        noise = self.np_random.normal(0, 0.01, 4)
        return np.concatenate([self.data.qpos, self.data.qvel]) + noise


class NoisyForce(Held):
    def step(self, action):
        self.advance(action + self.np_random.normal(0, 0.1, 2))
        return self._get_obs(), 0.0, False, False, {}


class PythonRandom(Held):
    def pay(self, action):
        return random.random() - 0.5


class GlobalRandom(Held):
    def pay(self, action):
        return np.random.rand() - 0.5  # noqa: NPY002


class ResetsBySeedless(Held):
    """Draws a goal at a reset from the global generator."""

    def begin(self):
        self.goal = np.random.uniform(-1, 1, size=2)  # noqa: NPY002

    def pay(self, action):
        return -np.abs(self.goal - self.data.qpos).sum()


class Clock(Held):
    """Is paid by the time of day."""

    def pay(self, action):
        return time.time() % 1.0


class Global(Held):
    """Keeps a number in a module's dict."""

    def begin(self):
        WEATHER["wind"] = float(self.np_random.uniform(-0.5, 0.5))

    def step(self, action):
        self.advance(action + WEATHER["wind"])
        return self._get_obs(), WEATHER["wind"], False, False, {}


class GlobalCounter(Held):
    """Keeps a number in a module's variable."""

    def begin(self):
        global STEPS_TAKEN
        STEPS_TAKEN = 0

    def step(self, action):
        global STEPS_TAKEN
        STEPS_TAKEN += 1
        self.advance(action)
        return self._get_obs(), 1.0 / STEPS_TAKEN, STEPS_TAKEN > 40, False, {}


class GlobalInfo(Held):
    """Tells of a number in a module's variable, and does nothing with it."""

    def step(self, action):
        global STEPS_TAKEN
        STEPS_TAKEN += 1
        self.advance(action)
        return self._get_obs(), 1.0, False, False, {"total": STEPS_TAKEN}


class ClassVariable(Held):
    """Keeps a number in its class."""

    wind = 0.0

    def begin(self):
        type(self).wind = float(self.np_random.uniform(-0.5, 0.5))

    def pay(self, action):
        return self.wind


class Curriculum(Held):
    """Gets harder from episode to episode."""

    level = 0

    def __init__(self):
        super().__init__()
        self.episodes = 0

    def begin(self):
        self.episodes += 1
        self.level = min(self.episodes // 5, 10)

    def pay(self, action):
        return -0.1 * self.level * abs(self.data.qpos[0])


class Pushes(Held):
    """Pushes the body every 25 steps, by xfrc_applied."""

    xml, columns = LEG, 10

    def begin(self):
        self.k = 0
        self.data.xfrc_applied[:] = 0

    def step(self, action):
        self.k += 1
        self.data.xfrc_applied[1, 0] = 20.0 if self.k % 25 < 3 else 0.0
        self.advance(action)
        return self._get_obs(), self.data.qvel[0], False, False, {}


class Wind(Held):
    """A force of a reset, by qfrc_applied."""

    def begin(self):
        self.data.qfrc_applied[0] = self.np_random.uniform(-0.5, 0.5)


class ReadsFile(Held):
    """Reads a file in a step."""

    def pay(self, action):
        return float(len(Path(__file__).read_text("utf-8")[:10])) * self.data.qpos[0]


class Moves(Held):
    """Moves its goal in a step."""

    columns = 7

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.mocap_pos[0]])

    def begin(self):
        self.angle = float(self.np_random.uniform(0, 6))

    def step(self, action):
        self.angle += 0.05
        self.data.mocap_pos[0] = [0.4 * np.cos(self.angle), 0, 1 + 0.4 * np.sin(self.angle)]
        self.advance(action)
        d = self.data.site("hand").xpos - self.data.site("goal").xpos
        return self._get_obs(), -np.linalg.norm(d), False, False, {}


class Relocates(Held):
    """Gives another goal as soon as one is reached, by a fixed order."""

    columns = 6
    goals = np.array([[0.5, 0.0], [-0.5, 0.3], [0.0, -0.6]])

    def begin(self):
        self.which = 0

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.goals[self.which]])

    def step(self, action):
        self.advance(action)
        d = np.linalg.norm(self.data.qpos - self.goals[self.which])
        if d < 0.4:
            self.which = (self.which + 1) % 3
            return self._get_obs(), 5.0, False, False, {}
        return self._get_obs(), -d, False, False, {}


class Restarts(Held):
    """Sets a joint's velocity in a step."""

    def step(self, action):
        self.advance(action)
        self.data.qvel[0] = np.clip(self.data.qvel[0], -2, 2)
        return self._get_obs(), 0.0, False, False, {}


class Twins(Held):
    """Has a second MjData that follows a reference."""

    columns = 4

    def __init__(self):
        super().__init__()
        self.other = mujoco.MjData(self.model)

    def begin(self):
        mujoco.mj_resetData(self.model, self.other)
        self.other.qpos[:] = self.data.qpos

    def step(self, action):
        self.other.ctrl[:] = 0.3
        self.advance(action)
        mujoco.mj_step(self.model, self.other, 4)
        return self._get_obs(), -np.abs(self.other.qpos - self.data.qpos).sum(), False, False, {}


class OwnEuler(Held):
    """Integrates by itself, behind mj_forward."""

    def step(self, action):
        self.data.ctrl[:] = action
        mujoco.mj_forward(self.model, self.data)
        self.data.qvel[:] += 0.02 * self.data.qacc
        self.data.qpos[:] += 0.02 * self.data.qvel
        self.data.time += 0.02
        return self._get_obs(), 0.0, False, False, {}


IDS = registered(globals())
