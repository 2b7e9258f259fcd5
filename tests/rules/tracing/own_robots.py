"""Small environments in the ways that people write them: a hopping leg beside a ball and a wall."""

import collections
import math
from dataclasses import dataclass, field
from math import sqrt
from typing import ClassVar

import gymnasium as gym
import mujoco
import numpy as np
import numpy.linalg as la
from gymnasium.spaces import Box, Dict
from numpy import exp

XML = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 .1"/>
    <geom name="wall" type="box" pos="1.2 0 .5" size=".05 1 .5"/>
    <body name="trunk" pos="0 0 .62">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <joint name="pitch" axis="0 1 0"/>
      <geom name="trunk" type="box" size=".1 .1 .06" mass="2"/>
      <site name="imu"/>
      <body name="thigh" pos="0 0 0">
        <joint name="hip" axis="0 1 0" range="-1 1" limited="true" damping="1"/>
        <geom name="thigh" type="capsule" fromto="0 0 0 0 0 -.25" size=".03" mass=".4"/>
        <body name="shin" pos="0 0 -.25">
          <joint name="knee" axis="0 1 0" range="-1.5 1" limited="true" damping="1"/>
          <geom name="shin" type="capsule" fromto="0 0 0 0 0 -.3" size=".025" mass=".2"/>
          <geom name="foot" type="sphere" pos="0 0 -.3" size=".04" mass=".1"/>
          <site name="toe" pos="0 0 -.3"/>
        </body>
      </body>
    </body>
    <body name="ball" pos=".4 0 .1">
      <freejoint name="ball"/>
      <geom name="ball" type="sphere" size=".1" mass=".3"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="hip" joint="hip" gear="20" ctrlrange="-1 1" ctrllimited="true"/>
    <motor name="knee" joint="knee" gear="20" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
  <sensor>
    <gyro name="gyro" site="imu"/>
    <framepos name="toe" objtype="site" objname="toe"/>
    <touch name="press" site="toe"/>
  </sensor>
</mujoco>
"""

DEFAULT_POSE = np.array([0.1, -0.2])


class Robot(gym.Env):
    """A leg whose step is written by those who derive from it."""

    metadata: ClassVar = {"render_modes": []}
    columns = 24

    def __init__(self):
        self.model = mujoco.MjModel.from_xml_string(XML)
        self.data = mujoco.MjData(self.model)
        self.action_space = Box(-1, 1, (2,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (self.columns,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:5] += self.np_random.uniform(-0.1, 0.1, 5)
        self.data.qvel[:] = self.np_random.normal(size=self.model.nv) * 0.5
        mujoco.mj_forward(self.model, self.data)
        self.begin()
        return self._get_obs(), {}

    def begin(self):
        """Draw and forget what else there is."""

    def physics(self, action, steps=4):
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, steps)

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, [self.data.time]])[: self.columns]


class Named(Robot):
    """Reads things by their names, and computes with math."""

    columns = 17

    def _get_obs(self):
        toe = self.data.sensor("toe").data
        return np.hstack(
            [
                self.data.sensor("gyro").data,
                toe - self.data.body("trunk").xpos,
                self.data.site("toe").xpos,
                self.data.joint("ball").qpos[:3],
                self.data.geom("foot").xmat.reshape(3, 3)[2],
                self.data.joint("pitch").qvel,
                self.data.sensordata[-1],
            ]
        )

    def step(self, action):
        x = float(self.data.body("trunk").xpos[0])
        self.physics(action)
        trunk = self.data.body("trunk")
        speed = (float(trunk.xpos[0]) - x) / 0.02
        height = self.data.xpos[self.model.body("trunk").id][2]
        tilt = math.acos(max(-1.0, min(1.0, trunk.xmat[8])))
        close = exp(-la.norm(self.data.body("ball").xpos - trunk.xpos))
        reward = speed + sqrt(abs(height)) * 0.1 - tilt**2 + close
        reward -= 1e-2 * float(np.square(self.data.actuator("hip").force).sum())
        terminated = bool(height < 0.4 or tilt > 1.0)
        if terminated:
            reward = reward - 5
        info = {"speed": speed, "who": "me", "parts": {"tilt": tilt}}
        return self._get_obs(), reward, terminated, False, info


class Remembering(Robot):
    """Keeps a last action, a filter, a counter, a history and a goal that a reset draws."""

    columns = 25

    def begin(self):
        self.last_action = np.zeros(2)
        self.filtered = 0.0
        self.count = 0
        self.goal = self.np_random.uniform(-1, 1, 2)
        self.history = collections.deque([np.zeros(2)] * 3, maxlen=3)
        self.stats = {"best": -1e9, "fell": False}

    def _get_obs(self):
        return np.concatenate(
            [
                self.data.qpos[1:],
                self.data.qvel[:4],
                self.last_action,
                np.ravel(self.history),
                [self.filtered],
                [self.count % 7],
            ]
        )

    def step(self, action):
        action = np.clip(action, -1, 1)
        self.physics(0.7 * action + 0.3 * self.last_action + DEFAULT_POSE)
        rough = np.sum((action - self.last_action) ** 2)
        self.filtered = 0.9 * self.filtered + 0.1 * self.data.qvel[0]
        self.last_action[:] = action
        self.history.append(action.astype(np.float64))
        self.count += 1
        away = float(np.linalg.norm(self.goal - self.data.qpos[:2]))
        self.stats["best"] = max(self.stats["best"], -away)
        self.stats["fell"] = self.stats["fell"] or bool(self.data.qpos[1] < -0.1)
        reward = -away - 0.1 * rough + self.stats["best"] - 1.0 * self.stats["fell"]
        return self._get_obs(), reward, False, self.count >= 30, {}


class Controlled(Robot):
    """A PD controller at each solver step, and targets as actions."""

    def step(self, action):
        target = DEFAULT_POSE + 0.5 * np.asarray(action, dtype=np.float64)
        for _ in range(4):
            error = target - self.data.qpos[3:5]
            self.data.ctrl[:] = np.clip(2.0 * error - 0.1 * self.data.qvel[3:5], -1, 1)
            mujoco.mj_step(self.model, self.data)
        return self._get_obs(), -np.sum((target - self.data.qpos[3:5]) ** 2), False, False, {}


class PaidInTheMiddle(Robot):
    """Sums a cost over solver steps."""

    def step(self, action):
        cost = 0.0
        self.data.ctrl[:] = action
        for _ in range(4):
            mujoco.mj_step(self.model, self.data)
            cost += np.sum(self.data.qvel**2)
        return self._get_obs(), -cost, False, False, {}


class Assigning(Robot):
    """Fills arrays that it makes, and shows a dict."""

    def __init__(self):
        super().__init__()
        self.observation_space = Dict(
            {
                "observation": Box(-np.inf, np.inf, (10,), np.float64),
                "achieved_goal": Box(-np.inf, np.inf, (3,), np.float64),
                "desired_goal": Box(-np.inf, np.inf, (3,), np.float64),
            }
        )

    def _get_obs(self):
        seen = np.empty(10, dtype=np.float64)
        seen[:5] = self.data.qpos[:5]
        seen[5:] = 0
        for index in range(4):
            seen[5 + index] = self.data.qvel[index] * 0.1
        seen[0] = 0.0
        position = self.data.qpos[5:8].copy()
        position[2] = 0.0
        position -= [0.1, 0, 0]
        return {
            "observation": seen,
            "desired_goal": np.array([1.0, 0, 0]),
            "achieved_goal": position,
        }

    def compute_reward(self, achieved, desired, info):
        distance = np.linalg.norm(achieved - desired, axis=-1)
        return -(distance > 0.75).astype(np.float32)

    def step(self, action):
        before = self.data.qpos
        kept = before.copy()
        self.physics(action)
        seen = self._get_obs()
        reward = self.compute_reward(seen["achieved_goal"], seen["desired_goal"], {})
        moved = np.linalg.norm(before - kept)
        terminated = np.isclose(reward, 0.0)
        return seen, reward - 0.01 * moved, terminated, False, {"is_success": reward == 0}


@dataclass
class Gait:
    """What an object of the environment keeps."""

    phase: float = 0.0
    weights: np.ndarray = field(default_factory=lambda: np.array([1.0, 2.0]))


class Keeping(Robot):
    """Keeps its memory in an object of another class."""

    def begin(self):
        self.gait = Gait(phase=float(self.np_random.uniform(0, 1)))

    def step(self, action):
        self.gait.phase = (self.gait.phase + 0.1) % 1.0
        self.physics(action * self.gait.weights)
        wanted = np.array([np.sin(2 * np.pi * self.gait.phase), 0.0])
        return self._get_obs(), -np.sum(np.abs(self.data.qpos[3:5] - wanted)), False, False, {}
