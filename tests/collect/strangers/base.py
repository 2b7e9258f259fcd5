"""What strangers' environments are made of: small MJCFs and a class that holds one."""

from typing import ClassVar

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box

ARM = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping=".3"/>
      <geom name="upper" type="capsule" fromto="0 0 0 .3 0 0" size=".04" mass=".5" contype="0"
        conaffinity="0"/>
      <body name="lower" pos=".3 0 0">
        <joint name="elbow" axis="0 1 0" damping=".3" limited="true" range="-150 150"/>
        <geom name="lower" type="capsule" fromto="0 0 0 .3 0 0" size=".03" mass=".3" contype="0"
          conaffinity="0"/>
        <site name="hand" pos=".3 0 0"/>
      </body>
    </body>
    <body name="goal" mocap="true" pos=".3 0 1"><site name="goal"/></body>
  </worldbody>
  <actuator>
    <motor name="m1" joint="shoulder" gear="4" ctrllimited="true" ctrlrange="-1 1"/>
    <motor name="m2" joint="elbow" gear="2" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
  <sensor>
    <gyro name="gyro" site="hand"/><accelerometer name="acc" site="hand"/>
    <framequat name="quat" objtype="site" objname="hand"/>
    <velocimeter name="vel" site="hand"/><rangefinder name="range" site="hand"/>
    <jointpos name="jp" joint="elbow"/>
  </sensor>
</mujoco>"""

LEG = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 .1"/>
    <body name="torso" pos="0 0 .6">
      <joint name="rootx" type="slide" axis="1 0 0"/>
      <joint name="rootz" type="slide" axis="0 0 1"/>
      <joint name="rooty" axis="0 1 0"/>
      <geom name="torso" type="capsule" fromto="-.1 0 0 .1 0 0" size=".06" mass="2"/>
      <site name="imu"/>
      <body name="thigh">
        <joint name="hip" axis="0 1 0" limited="true" range="-60 60" damping="1"/>
        <geom name="thigh" type="capsule" fromto="0 0 0 0 0 -.25" size=".03" mass=".4"/>
        <body name="shin" pos="0 0 -.25">
          <joint name="knee" axis="0 1 0" limited="true" range="-90 60" damping="1"/>
          <geom name="shin" type="capsule" fromto="0 0 0 0 0 -.25" size=".025" mass=".2"/>
          <geom name="foot" type="sphere" pos="0 0 -.28" size=".05" mass=".1"/>
          <site name="toe" pos="0 0 -.28" size=".06"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="hip" joint="hip" gear="20" ctrllimited="true" ctrlrange="-1 1"/>
    <motor name="knee" joint="knee" gear="20" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
  <sensor>
    <gyro name="gyro" site="imu"/><velocimeter name="vel" site="imu"/>
    <accelerometer name="acc" site="imu"/><touch name="press" site="toe"/>
    <framequat name="quat" objtype="site" objname="imu"/>
  </sensor>
</mujoco>"""

BUG = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 .1"/>
    <body name="trunk" pos="0 0 .3">
      <freejoint name="root"/>
      <geom name="trunk" type="sphere" size=".1" mass="1"/>
      <site name="imu"/>
      <body name="left" pos="0 .1 0">
        <joint name="left" axis="0 1 0" damping=".3" limited="true" range="-70 70"/>
        <geom name="left" type="capsule" fromto="0 0 0 0 .05 -.2" size=".03" mass=".2"/>
      </body>
      <body name="right" pos="0 -.1 0">
        <joint name="right" axis="0 1 0" damping=".3" limited="true" range="-70 70"/>
        <geom name="right" type="capsule" fromto="0 0 0 0 -.05 -.2" size=".03" mass=".2"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="left" joint="left" kp="5" ctrllimited="true" ctrlrange="-1 1"/>
    <position name="right" joint="right" kp="5" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>"""


class Held(gym.Env):
    """A plain environment that holds a model and its data."""

    metadata: ClassVar = {"render_modes": []}
    xml, columns, skip, spread = ARM, 4, 4, 0.2

    def __init__(self, render_mode=None):
        self.model = mujoco.MjModel.from_xml_string(self.xml)
        self.data = mujoco.MjData(self.model)
        self.action_space = Box(-1.0, 1.0, (self.model.nu,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (self.columns,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos += self.np_random.uniform(-self.spread, self.spread, self.model.nq)
        self.data.qvel += self.np_random.uniform(-self.spread, self.spread, self.model.nv)
        self.begin()
        mujoco.mj_forward(self.model, self.data)
        return self._get_obs(), {}

    def begin(self):
        """Draw what else an episode has."""

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel])[: self.columns]

    def advance(self, ctrl):
        self.data.ctrl[:] = ctrl
        for _ in range(self.skip):
            mujoco.mj_step(self.model, self.data)

    def pay(self, action):
        return 0.0

    def over(self):
        return False

    def step(self, action):
        self.advance(action)
        return self._get_obs(), self.pay(action), self.over(), False, {}


def registered(module, steps=200):
    """Register every environment of a module under its own name; return the ids."""
    ids = []
    for name, kind in list(module.items()):
        own = isinstance(kind, type) and kind.__module__ == module["__name__"]
        if own and issubclass(kind, gym.Env):
            gym.register(id=f"{name}-v0", entry_point=kind, max_episode_steps=steps)
            ids.append(f"{name}-v0")
    return ids
