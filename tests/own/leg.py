"""A user's module: a leg that hops towards a goal, in the words of somebody who trains robots."""

LEG = '''
import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box

XML = """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom name="floor" type="plane" size="50 5 .1"/>
    <body name="trunk" pos="0 0 .5">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <geom name="trunk" type="sphere" size=".1" mass="1"/>
      <body name="shin">
        <joint name="knee" type="slide" axis="0 0 1" range="-.1 .1" limited="true" damping="5"/>
        <geom name="shin" type="capsule" fromto="0 0 0 0 0 -.4" size=".02" mass=".1"/>
        <geom name="foot" type="sphere" pos="0 0 -.4" size=".04" mass=".05"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="push" joint="knee" gear="30" ctrlrange="-1 1" ctrllimited="true"/>
    <motor name="pull" joint="x" gear="3" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
</mujoco>
"""


class Leg(gym.Env):
    """Hops to a place that every episode draws anew, and is paid for touching the ground."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(
        self,
        render_mode=None,
        jerk_cost=0.1,
        touch_reward=0.5,
        lowest=0.33,
        noise=0.02,
        gravity=9.81,
    ):
        self.model = mujoco.MjModel.from_xml_string(XML)
        self.model.opt.gravity[2] = -gravity
        self.data = mujoco.MjData(self.model)
        self.render_mode = render_mode
        self.jerk_cost, self.touch_reward, self.lowest = jerk_cost, touch_reward, lowest
        self.noise = noise
        self.foot = self.model.geom("foot").id
        self.floor = self.model.geom("floor").id
        self.action_space = Box(-1, 1, (2,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (9,), np.float32)
        self.last_action = np.zeros(2)
        self.goal = 0.0

    def _get_obs(self):
        return np.concatenate(
            [
                [self.goal - self.data.qpos[0]],
                self.data.qpos[1:],
                self.data.qvel,
                self.last_action,
                [self.goal],
            ]
        ).astype(np.float32)

    def _get_info(self):
        return {"foot": self.data.geom_xpos[self.foot].copy(), "distance": self._distance()}

    def _distance(self):
        return abs(self.goal - self.data.qpos[0])

    def _touches(self):
        for i in range(self.data.ncon):
            contact = self.data.contact[i]
            if {contact.geom1, contact.geom2} == {self.foot, self.floor}:
                return True
        return False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] += self.np_random.uniform(-self.noise, self.noise, self.model.nq)
        self.goal = self.np_random.uniform(-2, 2)
        self.last_action = np.zeros(2)
        mujoco.mj_forward(self.model, self.data)
        return self._get_obs(), self._get_info()

    def step(self, action):
        before = self._distance()
        self.data.ctrl[:] = np.clip(action, -1, 1)
        mujoco.mj_step(self.model, self.data, nstep=4)
        reward = (before - self._distance()) / 0.02
        reward -= self.jerk_cost * np.sum(np.square(action - self.last_action))
        if self._touches():
            reward += self.touch_reward
        self.last_action = np.array(action)
        info = {**self._get_info(), "reward_raw": reward}
        terminated = bool(0.5 + self.data.qpos[1] < self.lowest)
        return self._get_obs(), reward, terminated, False, info


gym.register("Leg-v0", entry_point=f"{__name__}:Leg", max_episode_steps=60, reward_threshold=30.0)
'''
