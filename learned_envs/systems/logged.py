"""The environment of a robot that only recordings are known of.

Its physics are those of an MJCF: the robot's own, or one that holds no more than its joints. Its
time step is the recordings', actions have their effect as late as there, and episodes begin at
recorded states.

gymnasium.make("learned_envs.systems.logged:LoggedRobot-v0", xml_file="robot.xml", dt=0.02)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box

from learned_envs import argument
from learned_envs.errors import ParameterError
from learned_envs.systems.bare import BareEnv

Array = np.ndarray[Any, Any]

RULES = ("observation", "reward", "terminated")
"""Functions that a user's file of rules may have."""


class LoggedRobot(BareEnv):
    """A robot that only recordings are known of.

    What a robot measures beside its state stands in MuJoCo's `userdata`, which physics do not
    change: a model has to predict it. A file of rules has up to three functions of numpy arrays:
    `observation(qpos, qvel)`, `reward(qpos, qvel, action, next_qpos, next_qvel)` and
    `terminated(qpos, qvel)`.
    """

    def __init__(
        self,
        xml_file: str | os.PathLike[str],
        dt: float,
        delay: int = 0,
        starts: str | os.PathLike[str] | None = None,
        rules: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Load a file.

        Args:
            xml_file: an MJCF or a URDF.
            dt: seconds of a step.
            delay: steps between an action and its effect.
            starts: a .npy file with states, (n, nq + nv), that episodes begin at.
            rules: a Python file of rules.
            **kwargs: go to `BareEnv`, such as `render_mode`.

        Raises:
            ParameterError: if a file is missing, or is none of its kind.
        """
        self._delay = argument.count("delay", delay, 0, 100)
        self._starts = None if starts is None else _read_starts(Path(starts))
        self._rules: Any = None if rules is None else load_rules(Path(rules))
        dt = argument.number("dt", dt, 1e-6, 10.0)
        path = argument.path("xml_file", xml_file)
        timestep = mujoco.MjModel.from_xml_path(str(path)).opt.timestep if path.is_file() else dt
        super().__init__(path, max(1, round(dt / timestep)), 0.0, **kwargs)
        self.model.opt.timestep = dt / self.frame_skip
        if self._delay:
            self._pending = np.zeros((self._delay, self.model.nu))
        observation = self._get_obs()
        self.observation_space = Box(-np.inf, np.inf, np.shape(observation), np.float64)

    def step(self, action: Array) -> Any:
        """Control the actuators, by the action of some steps ago."""
        qpos, qvel = self.data.qpos.copy(), self.data.qvel.copy()
        told = action
        if self._delay:
            told = self._pending[0].copy()
            self._pending = np.concatenate([self._pending[1:], np.reshape(action, (1, -1))])
        self.do_simulation(told, self.frame_skip)
        if self.render_mode == "human":
            self.mujoco_renderer.render("human")
        reward, terminated = 0.0, False
        if self._has("reward"):
            reward = self._rules.reward(qpos, qvel, action, self.data.qpos, self.data.qvel)
        if self._has("terminated"):
            terminated = self._rules.terminated(self.data.qpos, self.data.qvel)
        return self._get_obs(), reward, terminated, False, {}

    def reset_model(self) -> Array:
        """Begin at a recorded state, if there are any."""
        if self._starts is None:
            return super().reset_model()
        if self._delay:
            self._pending = np.zeros((self._delay, self.model.nu))
        start = self._starts[self.np_random.integers(len(self._starts))]
        self.data.qpos[:], self.data.qvel[:] = np.split(start, [self.model.nq])
        mujoco.mj_forward(self.model, self.data)
        observation: Array = self._get_obs()
        return observation

    def _get_obs(self) -> Any:
        if self._has("observation"):
            return self._rules.observation(self.data.qpos, self.data.qvel)
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.userdata])

    def _has(self, name: str) -> bool:
        return self._rules is not None and hasattr(self._rules, name)


def load_rules(path: Path) -> Any:
    """Run a user's file of rules.

    Raises:
        ParameterError: if there is none, it fails, or has none of the functions.
    """
    name = f"{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ParameterError(f"There is no file of rules {path}. Give the path of a Python file.")
    module: ModuleType = importlib.util.module_from_spec(spec)
    # Code that is traced is found by its module's name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ParameterError(
            f"The rules {path} cannot be run: {type(error).__name__}: {error}. Mend the file."
        ) from error
    found: list[Callable[..., Any]] = [getattr(module, n) for n in RULES if hasattr(module, n)]
    if not found:
        raise ParameterError(
            f"{path} has none of the functions {', '.join(RULES)}. Write at least one."
        )
    return module


def _read_starts(path: Path) -> Array:
    try:
        starts = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} holds no states: {error}. Give a .npy file.") from error
    return np.asarray(starts, dtype=np.float64)


gym.register("LoggedRobot-v0", entry_point=f"{__name__}:LoggedRobot", max_episode_steps=1000)
