"""A user's module with an environment that shares nothing with Gymnasium's MuJoCo environments."""

ROBOT = '''
import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box, Dict

XML = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 .1"/>
    <body name="goal" mocap="true"><site name="goal"/></body>
    <body name="arm" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping=".2"/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".04" contype="0" conaffinity="0"/>
      <body pos=".3 0 0">
        <joint name="elbow" axis="0 1 0" damping=".2" range="-150 150"/>
        <geom type="capsule" fromto="0 0 0 .3 0 0" size=".04" contype="0" conaffinity="0"/>
        <site name="hand" pos=".3 0 0"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <general name="slow" joint="shoulder" dyntype="filter" dynprm="0.05" gainprm="4"
      ctrlrange="-1 1" ctrllimited="true"/>
    <motor name="fast" joint="elbow" gear="2" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
</mujoco>"""


class Simulator:
    """Keeps MuJoCo out of the environment's sight."""

    def __init__(self):
        self.physics = mujoco.MjModel.from_xml_string(XML)
        self.state = mujoco.MjData(self.physics)
        self.delayed = np.zeros(2)

    def run(self, control, n):
        self.state.ctrl[:] = self.delayed
        self.delayed = np.array(control)
        mujoco.mj_step(self.physics, self.state, n)


class Reach(gym.Env):
    """A hand that reaches for a goal, by actions that come one step late."""

    def __init__(self, n_substeps=4, goal_radius=0.5):
        self.simulator = Simulator()
        self.n_substeps, self.goal_radius = n_substeps, goal_radius
        numbers = Box(-np.inf, np.inf, (3,), np.float64)
        self.observation_space = Dict(
            observation=Box(-np.inf, np.inf, (6,), np.float64),
            achieved_goal=numbers,
            desired_goal=numbers,
        )
        self.action_space = Box(-1.0, 1.0, (2, 1), np.float32)

    def _get_obs(self):
        return self.look()

    def look(self):
        state = self.simulator.state
        return {
            "observation": np.concatenate([state.qpos, state.qvel, self.simulator.delayed]),
            "achieved_goal": state.site("hand").xpos.copy(),
            "desired_goal": state.mocap_pos[0].copy(),
        }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        physics, state = self.simulator.physics, self.simulator.state
        mujoco.mj_resetData(physics, state)
        state.qpos[:] = self.np_random.uniform(-0.1, 0.1, 2)
        angle = self.np_random.uniform(0, np.pi)
        state.mocap_pos[0] = self.goal_radius * np.array([np.cos(angle), 0, -np.sin(angle)])
        state.mocap_pos[0, 2] += 1.0
        self.simulator.delayed = np.zeros(2)
        mujoco.mj_forward(physics, state)
        return self.look(), {}

    def step(self, action):
        self.simulator.run(np.clip(action, -1, 1).ravel(), self.n_substeps)
        seen = self.look()
        distance = np.linalg.norm(seen["achieved_goal"] - seen["desired_goal"])
        return seen, -distance, False, False, {"distance": distance}


class Final(Reach):
    """Ends soon, and refuses to be stepped after that."""

    over = False

    def reset(self, **kwargs):
        self.over = False
        return super().reset(**kwargs)

    def step(self, action):
        if self.over:
            raise RuntimeError("It is over.")
        seen, reward, _, truncated, info = super().step(action)
        self.over = bool(self.simulator.state.qpos[0] > 0.3)
        return seen, reward, self.over, truncated, info


class Blind(Reach):
    """Cannot say what is observed but in a step."""

    _get_obs = None


gym.register("Final-v0", entry_point=f"{__name__}:Final", max_episode_steps=50)
gym.register("Blind-v0", entry_point=f"{__name__}:Blind", max_episode_steps=50)
gym.register("Reach-v0", entry_point=f"{__name__}:Reach", max_episode_steps=50)
'''
