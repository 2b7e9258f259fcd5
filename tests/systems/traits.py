"""Small systems with one trait each, as environments of MuJoCo."""

import tempfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box

MOTOR = '<motor name="m" joint="j" ctrlrange="-1 1" ctrllimited="true"/>'
CAPSULE = '<geom name="g" type="capsule" fromto="0 0 0 0 0 -.5" size=".05"/>'


def mjcf(
    *,
    joint: str = 'type="hinge" axis="0 1 0" damping=".1"',
    shape: str = CAPSULE,
    body: str = 'pos="0 0 1"',
    child: str = "",
    world: str = "",
    actuator: str = MOTOR,
    option: str = "",
    tail: str = "",
) -> str:
    """Return the MJCF of one body above a floor: an arm that hangs on a hinge, if not changed."""
    return f"""
    <mujoco>
      <option timestep="0.005" integrator="implicitfast" {option}/>
      <asset><mesh name="tetrahedron" vertex="-.1 -.1 0 .1 -.1 0 0 .1 0 0 0 -.5"/>
        <hfield name="field" nrow="3" ncol="3" size="1 1 .1 .1" elevation="0 0 0 0 0 0 0 0 1"/>
      </asset>
      <worldbody>
        <geom name="floor" type="plane" size="5 5 .1"/>
        {world}
        <body name="a" {body}><joint name="j" {joint}/>{shape}{child}</body>
      </worldbody>
      <actuator>{actuator}</actuator>
      {tail}
    </mujoco>"""


def sled(**parts: str) -> str:
    """Return the MJCF of a ball that slides along the ground, up and down, and turns."""
    return mjcf(
        **{
            "joint": 'type="slide" axis="1 0 0"',
            "shape": '<geom name="ball" size=".1" pos="0 .1 0"/>',
            "body": 'pos="0 0 .11"',
            "child": '<joint name="z" type="slide" axis="0 0 1"/><joint name="t" axis="0 1 0"/>',
            **parts,
        }
    )


class TraitEnv(MujocoEnv):
    """An environment that observes q and v and pays nothing; its MJCF is given as text."""

    metadata = {"render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"]}  # noqa: RUF012

    def __init__(self, xml: str, frame_skip: int = 4, **kwargs: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xml"
            path.write_text(xml)
            super().__init__(str(path), frame_skip, None, **kwargs)
        size = self.model.nq + self.model.nv
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float64)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.do_simulation(action, self.frame_skip)
        return self._get_obs(), 0.0, False, False, {}

    def reset_model(self) -> np.ndarray:
        self.set_state(self.init_qpos, 0.3 * self.np_random.normal(size=self.model.nv))
        return self._get_obs()

    def _get_obs(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel])


class Drifting(TraitEnv):
    """Gravity is drawn anew for each episode."""

    def reset_model(self) -> np.ndarray:
        self.model.opt.gravity[2] = self.np_random.uniform(-11, -9)
        return super().reset_model()


class Noisy(TraitEnv):
    """Actions are blurred."""

    def step(self, action):
        return super().step(action + 0.01 * self.np_random.normal(size=action.shape))


class Late(TraitEnv):
    """Actions come one step late."""

    last: Any = None

    def step(self, action):
        late = np.zeros_like(action) if self.last is None else self.last
        self.last = action.copy()
        return super().step(late)


class Episodic(TraitEnv):
    """Each episode has a strength of its own."""

    strength = 1.0

    def step(self, action):
        return super().step(self.strength * action)

    def reset_model(self) -> np.ndarray:
        self.strength = self.np_random.uniform(0.5, 1.0)
        return super().reset_model()


class Incremental(TraitEnv):
    """Actions are added to the control."""

    def step(self, action):
        return super().step(np.clip(self.data.ctrl + 0.1 * action, -1, 1))


class Gusty(TraitEnv):
    """Somebody pushes now and then, for as long as he likes."""

    def step(self, action):
        if self.np_random.random() < 0.2:
            self.data.xfrc_applied[1, :3] = self.np_random.normal(size=3)
        return super().step(action)


class Tidal(TraitEnv):
    """A force follows the time."""

    def step(self, action):
        self.data.qfrc_applied[0] = np.sin(3 * self.data.time)
        return super().step(action)


class Scheduled(TraitEnv):
    """A force comes after ten seconds."""

    def step(self, action):
        self.data.qfrc_applied[0] = self.data.time > 10
        return super().step(action)


class Magnetic(TraitEnv):
    """A force pulls to where x is 0."""

    def step(self, action):
        self.data.qfrc_applied[0] = -self.data.qpos[0]
        return super().step(action)


class Hasty(TraitEnv):
    """A step takes twice as long as it says."""

    def step(self, action):
        self.do_simulation(action, 2 * self.frame_skip)
        return self._get_obs(), 0.0, False, False, {}


class Rescaled(TraitEnv):
    """Actions are a third of the control."""

    def _set_action_space(self):
        self.action_space = Box(-1, 1, (self.model.nu,), np.float32)
        return self.action_space

    def step(self, action):
        return super().step(3 * action)


class Keyframed(TraitEnv):
    """Episodes start from a pose of their own."""

    def __init__(self, xml: str, **kwargs: Any) -> None:
        super().__init__(xml, **kwargs)
        self.init_qpos = self.init_qpos + 0.5


class Wrapping(TraitEnv):
    """The angle is put back between -pi and pi."""

    def step(self, action):
        self.do_simulation(action, self.frame_skip)
        self.data.qpos[0] = (self.data.qpos[0] + np.pi) % (2 * np.pi) - np.pi
        return self._get_obs(), 0.0, False, False, {}


class Moved(TraitEnv):
    """A mocap body wanders."""

    def step(self, action):
        self.data.mocap_pos[0, 0] += 0.02
        return super().step(action)


def make(xml: str, cls: type[TraitEnv] = TraitEnv, **kwargs: Any) -> gym.Env[Any, Any]:
    """Make an environment by gym.make, as references are made."""
    spec = gym.envs.registration.EnvSpec(
        id="Trait-v0", entry_point=cls, kwargs={"xml": xml, **kwargs}, disable_env_checker=True
    )
    return gym.make(spec)
