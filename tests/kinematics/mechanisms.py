"""Systems whose geometry is compared with MuJoCo's, and states of them."""

import gymnasium as gym
import mujoco
import numpy as np
import torch
from gymnasium.spaces import Box

from learned_envs.systems.reference import describe
from learned_envs.systems.spec import SystemSpec

# Constants are float32: 6e-8 relative in lengths of about 1 m and in angles, along chains of at
# most eight joints. Measured over all systems below: 5e-8.
ROUNDING = 1e-6

SHAPES_XML = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" pos="0 0 -.3"/>
    <geom type="sphere" size=".1" pos="3 0 0"/>
    <body pos="3 3 1"><geom type="sphere" size=".1"/></body>
    <body pos=".1 .2 .9" quat=".9 .1 .2 .3">
      <joint type="slide" axis="1 .2 .3"/>
      <joint type="hinge" axis=".3 1 .2" pos=".1 -.2 .05" ref="20"/>
      <joint type="hinge" axis="0 .4 1" pos="0 .1 0"/>
      <geom type="sphere" size=".07" pos=".1 0 .2"/>
      <geom type="capsule" size=".05 .2" pos="0 .1 0" quat=".7 .1 .6 .2"/>
      <body pos="0 .1 -.3" quat=".8 0 .5 0">
        <geom type="cylinder" size=".15 .1" pos=".05 0 0" quat=".7 .5 .1 .2"/>
        <body pos=".1 0 -.1">
          <joint type="slide" axis="0 1 1"/>
          <geom type="box" size=".1 .1 .1"/>
          <geom type="cylinder" size=".1 .05" quat=".2 .5 .1 .2"/>
        </body>
      </body>
    </body>
    <body pos="0 1 1">
      <freejoint/>
      <geom type="capsule" size=".05 .2" pos="0 .1 .3"/>
    </body>
  </worldbody>
</mujoco>
"""


def spec_of(model: mujoco.MjModel) -> SystemSpec:
    class Inline(gym.Env):
        spec = gym.spec("Hopper-v5")
        frame_skip = 1

    env = Inline()
    env.model, env.action_space = model, Box(-1, 1, (model.nu,))
    return describe(env)


def load(name: str) -> tuple[mujoco.MjModel, SystemSpec]:
    if name == "shapes":
        model = mujoco.MjModel.from_xml_string(SHAPES_XML)
        return model, spec_of(model)
    env = gym.make(name)
    return env.unwrapped.model, describe(env)


def states(model: mujoco.MjModel, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw q and v at random, free joints with unit quaternions, as MuJoCo leaves them."""
    random = np.random.default_rng(0)
    q = random.normal(size=(count, model.nq)) + model.qpos0
    for row in q:
        mujoco.mj_normalizeQuat(model, row)
    return torch.tensor(q), torch.tensor(random.normal(size=(count, model.nv)))


def forward(model: mujoco.MjModel, q: torch.Tensor, v: torch.Tensor) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = q, v
    mujoco.mj_forward(model, data)
    return data
