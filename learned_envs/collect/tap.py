"""Stand between a real environment and all of its wrappers, and tell what moves it."""

from __future__ import annotations

from typing import Any, Protocol, SupportsFloat

import gymnasium as gym
import numpy as np

from learned_envs.data.recording import Array


class Listener(Protocol):
    """Who is told what happens to the environment below all wrappers."""

    def began(self, observation: Any, seed: int | None) -> None:
        """The environment was reset."""

    def moves(self) -> None:
        """The environment is about to be stepped."""

    def moved(self, action: Array, observation: Any, reward: float, terminated: bool) -> None:
        """The environment was stepped."""


class Tap(gym.Wrapper[Array, Array, Array, Array]):
    """Tells a listener of every reset and step of the environment right below it.

    Actions are cast to float32, the dtype of the action space, before the step. So what the
    listener is told is what moved the system.
    """

    listener: Listener | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Reset, and tell."""
        observation, info = self.env.reset(seed=seed, options=options)
        if self.listener is not None:
            self.listener.began(observation, seed)
        return observation, info

    def step(self, action: Array) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and tell."""
        action = np.array(action, dtype=np.float32)
        if self.listener is not None:
            self.listener.moves()
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self.listener is not None:
            self.listener.moved(action, observation, float(reward), bool(terminated))
        return observation, reward, terminated, truncated, info


def tapped(env: gym.Env[Array, Array]) -> tuple[gym.Env[Array, Array], Tap]:
    """Put a tap below all wrappers of an environment, if there is none yet.

    Returns:
        The environment, with its wrappers, and the tap.
    """
    if not isinstance(env, gym.Wrapper):
        tap = Tap(env)
        return tap, tap
    lowest: gym.Wrapper[Any, Any, Any, Any] = env
    while isinstance(lowest.env, gym.Wrapper):
        lowest = lowest.env
    if not isinstance(lowest, Tap):
        lowest.env = Tap(lowest.env)
        lowest = lowest.env
    return env, lowest


def wrappers_of(env: gym.Env[Any, Any]) -> list[str]:
    """Return the names of an environment's wrappers, outermost first, without Gymnasium's usual."""
    usual = {"Tap", "OrderEnforcing", "PassiveEnvChecker", "TimeLimit"}
    found = []
    while isinstance(env, gym.Wrapper):
        found.append(type(env).__name__)
        env = env.env
    return [name for name in found if name not in usual]
