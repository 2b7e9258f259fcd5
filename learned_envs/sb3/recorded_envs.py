"""Recorded real environments in lockstep behind Stable-Baselines3's `VecEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from learned_envs.collect.lockstep import Lockstep
from learned_envs.sb3.normalisation import Array


class RecordedVecEnv(VecEnv):
    """Real environments in lockstep, for an agent that learns while it is recorded.

    Rewards and observations are of the dtypes that `DummyVecEnv` gives. Infos hold what SB3 itself
    reads. Each episode begins by a seed of its own.
    """

    def __init__(self, envs: Lockstep) -> None:
        """Take environments."""
        self.envs = envs
        self._rng = np.random.default_rng()
        self._actions: Any = None
        super().__init__(envs.count, envs.env.observation_space, envs.env.action_space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Decide all starts to come."""
        self._rng = np.random.default_rng(seed)
        return super().seed(seed)

    def reset(self) -> Array:
        """Begin all episodes and return their observations, (num_envs, n)."""
        for lane in range(self.num_envs):
            self.envs.deliver(lane)
        self._reset_seeds()
        return np.stack([self._begin(lane) for lane in range(self.num_envs)])

    def step_async(self, actions: Array) -> None:
        """Remember the actions, (num_envs, nu), for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Advance every episode by one step; those that end begin anew."""
        observations, rewards, terminated, truncated = self.envs.step(self._actions)
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        shown = observations.astype(self.observation_space.dtype)
        for lane in np.flatnonzero(dones).tolist():
            infos[lane] = {
                "terminal_observation": shown[lane].copy(),
                "TimeLimit.truncated": bool(truncated[lane] and not terminated[lane]),
            }
            self.envs.deliver(lane, bool(terminated[lane]))
            shown[lane] = self._begin(lane)
        return shown, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Deliver what is unfinished and close the environment."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the one environment that all stand for."""
        value = getattr(self.envs.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: what is recorded is the environment as its id makes it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("An environment that is recorded cannot be changed.")

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Refuse: there are no environments that could be called one by one.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("Environments in lockstep have no methods of their own.")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Say that nothing is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def _begin(self, lane: int) -> Array:
        return self.envs.reset(lane, int(self._rng.integers(2**31)))
