"""Pendulums in a vertical plane, as MJCF built in code: chains, springs, and one that bounces.

They are the systems of Gruver, Finzi, Stanton and Wilson, "Deconstructing the Inductive Biases of
Hamiltonian Neural Networks", ICLR 2022. MuJoCo simulates them, and no actuator drives them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from numpy.typing import NDArray

Array = NDArray[np.float64]

TIMESTEP = 0.005
FRAME_SKIP = 10
LENGTH = 1.0
"""Of each link, metres."""
STIFFNESS = 50.0
"""Of a spring, N/m: a mass of 1 kg oscillates 1.1 times a second."""
FRICTION = 0.2
"""Damping of every joint if there is friction: N m s for hinges, N s/m for springs."""
FLOOR = -0.95
"""Height of a floor from the pivot, metres: a ball of radius 0.1 hits it 32 degrees off plumb."""


def mjcf(links: int, spring: bool = False, friction: bool = False, floor: bool = False) -> str:
    """Return the MJCF of a chain of point masses on massless links.

    Args:
        links: how many.
        spring: whether links are springs; if not, they are rods.
        friction: whether joints are damped.
        floor: whether the masses meet a floor.
    """
    damping = FRICTION if friction else 0.0
    body = ""
    for link in reversed(range(links)):
        height = 0.0 if link == 0 else -LENGTH
        # Above a floor, the angles are counted from the horizontal.
        turn = -90 if floor and link == 0 else 0
        # At q = 0 the spring carries what hangs on it, so that the pendulum can hang there.
        slide = f"""
          <joint name="spring{link}" type="slide" axis="0 0 -1" stiffness="{STIFFNESS}"
            springref="{-9.81 * (links - link) / STIFFNESS}" damping="{damping}"/>"""
        body = f"""
        <body name="link{link}" pos="0 0 {height}" euler="0 {turn} 0">
          <joint name="hinge{link}" type="hinge" axis="0 -1 0" damping="{damping}"/>
          {slide if spring else ""}
          <inertial pos="0 0 {-LENGTH}" mass="1" diaginertia="1e-4 1e-4 1e-4"/>
          <geom name="rod{link}" type="capsule" fromto="0 0 0 0 0 {-LENGTH}" size="0.02"
            contype="0" conaffinity="0" mass="0"/>
          <geom name="ball{link}" type="sphere" pos="0 0 {-LENGTH}" size="0.1" mass="0"
            contype="{int(floor)}" conaffinity="0"/>
          {body}
        </body>"""
    # A stiff, weakly damped contact: a ball keeps most of its speed.
    ground = f"""
        <geom name="floor" type="plane" pos="0 0 {FLOOR}" size="5 5 0.1" conaffinity="1"
          friction="0.1" solref="-10000 -2"/>"""
    return f"""
    <mujoco model="pendulum">
      <compiler boundmass="0" boundinertia="0"/>
      <option timestep="{TIMESTEP}" integrator="RK4" gravity="0 0 -9.81">
        <flag energy="enable"/>
      </option>
      <worldbody>
        <light pos="0 -3 3" dir="0 1 -1"/>
        <camera name="track" pos="0 {-3 - links} {-links / 2}" xyaxes="1 0 0 0 0 1"/>
        {ground if floor else ""}
        {body}
      </worldbody>
    </mujoco>"""


class PendulumEnv(MujocoEnv):
    """A pendulum that swings freely.

    The observation is its angles, the springs' stretches, and their velocities. A step pays
    `reward_survive`, 1. Only a state that is not finite ends an episode. `info` holds the total
    `energy` in joules. Episodes start with hinges uniform in +-`reset_noise_scale` (radians and
    rad/s) and springs in a tenth of it (metres and m/s).
    """

    metadata = {  # noqa: RUF012  Gymnasium's own form
        "render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"],
        "render_fps": 20,
    }

    def __init__(
        self,
        links: int,
        spring: bool = False,
        friction: bool = False,
        floor: bool = False,
        reset_noise_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self._scale = reset_noise_scale
        with tempfile.TemporaryDirectory() as folder:
            # MujocoEnv reads its model from a file only.
            path = Path(folder) / "pendulum.xml"
            path.write_text(mjcf(links, spring, friction, floor))
            super().__init__(
                str(path),
                FRAME_SKIP,
                None,
                camera_name=kwargs.pop("camera_name", "track"),
                **kwargs,
            )
        size = self.model.nq + self.model.nv
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float64)

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Array, np.float64, bool, bool, dict[str, np.float64]]:
        """Swing for one step; the action is empty."""
        self.do_simulation(action, self.frame_skip)
        observation = self._get_obs()
        survives = bool(np.isfinite(observation).all())
        reward = np.float64(survives)
        info = {"reward_survive": reward, "energy": self._energy()}
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return observation, reward, not survives, False, info

    def reset_model(self) -> Array:
        """Draw where an episode starts."""
        slides = self.model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE
        scale = self._scale * np.where(slides, 0.1, 1.0)
        q, v = self.np_random.uniform(-scale, scale, (2, len(scale)))
        self.set_state(self.init_qpos + q, self.init_qvel + v)  # type: ignore[no-untyped-call]
        return self._get_obs()

    def _get_obs(self) -> Array:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def _get_reset_info(self) -> dict[str, float]:
        return {"energy": float(self._energy())}

    def _energy(self) -> np.float64:
        # Computed anew, because a step leaves the energy of the solver's last stage.
        mujoco.mj_fwdPosition(self.model, self.data)
        mujoco.mj_energyPos(self.model, self.data)
        mujoco.mj_energyVel(self.model, self.data)
        return np.float64(self.data.energy.sum())
