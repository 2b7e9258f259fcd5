"""MJCFs of strangers, and environments that are none of ours to learn."""

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from strangers.base import ARM, LEG, Held, registered


class Tendons(Held):
    xml = """
<mujoco><option timestep=".005"/><worldbody>
<body><joint name="a" axis="0 1 0" damping=".2"/>
  <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
<site name="s1" pos=".2 0 0.05"/>
<body pos=".3 0 0"><joint name="b" axis="0 1 0" damping=".2"/>
  <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/>
<site name="s2" pos=".2 0 .05"/></body></body></worldbody>
<tendon><fixed name="both"><joint joint="a" coef="1"/><joint joint="b" coef="-.5"/></fixed>
<spatial name="cord" stiffness="5" springlength="0.1"><site site="s1"/><site site="s2"/></spatial>
  </tendon>
<actuator><motor tendon="both" gear="2" ctrllimited="true" ctrlrange="-1 1"/>
  <motor tendon="cord" gear="5" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>"""
    columns = 6

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.ten_length])

    def pay(self, action):
        return -float(np.sum(self.data.ten_velocity**2))


class Joined(Held):
    """Two bodies welded by equality."""

    xml = """
<mujoco><option timestep=".005"/><worldbody>
<body pos="0 0 1"><joint name="a" axis="0 1 0" damping=".2"/>
  <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/></body>
<body pos="0 .3 1"><joint name="b" axis="0 1 0" damping=".2"/>
  <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03" contype="0" conaffinity="0"/></body>
</worldbody><equality><joint joint1="a" joint2="b" polycoef="0 1 0 0 0"/></equality>
<actuator><motor joint="a" gear="2" ctrllimited="true" ctrlrange="-1 1"/></actuator></mujoco>"""


class Ball(Held):
    xml = """
<mujoco><option timestep=".005"/><worldbody>
<body pos="0 0 1"><joint name="a" type="ball" damping=".2"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.4" size=".03" contype="0" conaffinity="0"/>
<site name="tip" pos="0 0 -.4"/></body></worldbody>
<actuator><motor joint="a" gear="1 0 0" ctrllimited="true" ctrlrange="-1 1"/>
  <motor joint="a" gear="0 1 0" ctrllimited="true" ctrlrange="-1 1"/></actuator></mujoco>"""
    columns, spread = 7, 0.1

    def pay(self, action):
        return float(self.data.site("tip").xpos[2])


class Muscles(Held):
    xml = """
<mujoco><option timestep=".005"/><worldbody>
<body pos="0 0 1"><joint name="a" axis="0 1 0" damping=".2" limited="true" range="-100 100"/>
  <geom type="capsule" fromto="0 0 0 0 0 -.4" size=".03" contype="0" conaffinity="0"/></body>
  </worldbody>
<actuator><muscle joint="a" force="10" lengthrange="-1 1" ctrllimited="true" ctrlrange="0 1"/>
<general joint="a" dyntype="filter" dynprm=".1" gainprm="2" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator></mujoco>"""
    columns = 4

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.act])


class Unlimited(Held):
    """Controls without a range; the space says what is allowed."""

    xml = ARM.replace('ctrllimited="true" ctrlrange="-1 1"', "")

    def __init__(self):
        super().__init__()
        self.action_space = Box(-2, 2, (2,))


class Unbounded(Held):
    def __init__(self):
        super().__init__()
        self.action_space = Box(-np.inf, np.inf, (2,))


class ThreeOfDiscrete(Held):
    def __init__(self):
        super().__init__()
        self.action_space = Discrete(3)

    def step(self, action):
        self.advance([action - 1.0, 0.0])
        return self._get_obs(), 0.0, False, False, {}


class ManyOfDiscrete(Held):
    def __init__(self):
        super().__init__()
        self.action_space = MultiDiscrete([3, 3])


class Pixels(Held):
    def __init__(self):
        super().__init__()
        self.observation_space = Box(0, 255, (8, 8, 3), np.uint8)

    def _get_obs(self):
        return np.full((8, 8, 3), int(np.clip(self.data.qpos[0] * 100, 0, 255)), np.uint8)


class Matrix(Held):
    """An action of two dimensions, and an observation of two."""

    def __init__(self):
        super().__init__()
        self.action_space = Box(-1, 1, (2, 1), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (2, 2), np.float64)

    def _get_obs(self):
        return np.stack([self.data.qpos, self.data.qvel])

    def step(self, action):
        self.advance(np.squeeze(action, -1))
        return self._get_obs(), -float(np.trace(self._get_obs())), False, False, {}


class NoMujoco(gym.Env):
    observation_space, action_space = Box(-1, 1, (2,)), Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}


class ResetFails(Held):
    def begin(self):
        raise KeyError("hip_link")


class StepFails(Held):
    def step(self, action):
        return self.data.qpos / self.missing


class StepFailsLater(Held):
    def begin(self):
        self.k = 0

    def step(self, action):
        self.k += 1
        if self.k > 20:
            raise RuntimeError("the motor is hot")
        return super().step(action)


class WrongSpace(Held):
    """Its observations have another size than its space."""

    columns = 4

    def __init__(self):
        super().__init__()
        self.observation_space = Box(-np.inf, np.inf, (7,), np.float64)


class FourValues(Held):
    """Returns what gym's steps once did."""

    def step(self, action):
        self.advance(action)
        return self._get_obs(), 0.0, False, {}


class Nan(Held):
    """Its reward is not a number now and then."""

    def pay(self, action):
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.data.qpos[0])


class ArrayReward(Held):
    """Its reward is an array of one number, its end one of numpy's."""

    def step(self, action):
        self.advance(action)
        return self._get_obs(), -(self.data.qpos[:1] ** 2), np.array(False), False, {}


class TextInfo(Held):
    def step(self, action):
        self.advance(action)
        info = {
            "s": f"{self.data.qpos[0]:.2f}",
            "list": [1.0, 2.0],
            "q": self.data.qpos.copy(),
            "none": None,
        }
        return self._get_obs(), 0.0, False, False, info


class Asks(Held):
    """Needs an argument."""

    def __init__(self, robot):
        super().__init__()
        self.robot = robot


class TwoModels(Held):
    """Keeps a second model for planning."""

    def __init__(self):
        self.planner = mujoco.MjModel.from_xml_string(LEG)
        self.planner_data = mujoco.MjData(self.planner)
        super().__init__()


class Hidden:
    def __init__(self, xml):
        self.m = mujoco.MjModel.from_xml_string(xml)
        self.d = mujoco.MjData(self.m)


class Sim(gym.Env):
    """Keeps MuJoCo in another object, makes its data anew at each reset."""

    observation_space = Box(-np.inf, np.inf, (4,), np.float64)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self):
        self.sim = Hidden(ARM)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sim.d = mujoco.MjData(self.sim.m)
        self.sim.d.qpos[:] = self.np_random.uniform(-0.5, 0.5, 2)
        mujoco.mj_forward(self.sim.m, self.sim.d)
        return np.concatenate([self.sim.d.qpos, self.sim.d.qvel]), {}

    def step(self, action):
        self.sim.d.ctrl[:] = action
        mujoco.mj_step(self.sim.m, self.sim.d, nstep=5)
        obs = np.concatenate([self.sim.d.qpos, self.sim.d.qvel])
        return obs, -float(obs @ obs), False, False, {}


class Boxes(Held):
    """A box on the floor and a pusher."""

    xml = """
<mujoco><option timestep=".005"/><worldbody><geom name="floor" type="plane" size="3 3 .1"/>
<body name="pusher" pos="-.3 0 .1">
  <joint name="px" type="slide" axis="1 0 0" damping="2" limited="true" range="-1 1"/>
  <geom name="pusher" type="sphere" size=".05" mass=".5"/></body>
<body name="box" pos="0 0 .05"><freejoint/>
  <geom name="box" type="box" size=".05 .05 .05" mass=".2"/></body>
</worldbody><actuator><motor joint="px" gear="5" ctrllimited="true" ctrlrange="-1 1"/></actuator>
  </mujoco>"""
    columns, spread = 15, 0.01

    def pay(self, action):
        return self.data.qpos[1] - 0.1 * abs(action[0])


class Kicks(Held):
    """Overrides gravity compensation and the solver."""

    xml = LEG.replace('timestep="0.005"', 'timestep="0.005" integrator="RK4" gravity="1 0 -9.81"')
    columns = 9

    def _get_obs(self):
        return np.concatenate([self.data.qpos[1:], self.data.qvel])

    def pay(self, action):
        return self.data.qvel[0]


IDS = registered(globals())
