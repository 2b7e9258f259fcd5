"""A batch of learned environments behind Stable-Baselines3's `VecEnv`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from learned_envs.envs.vector import LearnedVectorEnv
from learned_envs.errors import ParameterError
from learned_envs.sb3.normalisation import Array


class LearnedVecEnv(VecEnv):
    """Episodes inside a learned model, stepped as one batch, as SB3 wants them.

    Rewards are float32 and observations have the space's dtype, as from `DummyVecEnv`. Only the
    episodes that end in a step get an info: the reference's keys, `diverged`, `out_of_support`,
    `terminal_observation` and `TimeLimit.truncated`. The others get an empty dictionary, because
    filling a thousand of them would cost more than the step.

    An episode that is cut because the model can no longer be trusted counts as truncated by its
    time limit. SB3 then bootstraps from the critic, so that ending early does not pay.

    [`make_vec_env`][learned_envs.sb3.make_vec_env] makes one.

    Attributes:
        envs: the Gymnasium vector environment that is stepped.
    """

    def __init__(self, envs: LearnedVectorEnv) -> None:
        """Wrap `envs`, which must hand out numpy arrays.

        Raises:
            ParameterError: if `envs` does not reset in the step that ends an episode.
        """
        if (mode := envs.metadata["autoreset_mode"]) is not AutoresetMode.SAME_STEP:
            raise ParameterError(
                f"Got environments with {mode}, expected AutoresetMode.SAME_STEP. Use "
                "learned_envs.sb3.make_vec_env, which makes them so."
            )
        self.envs = envs
        self._actions: Any = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    @property
    def spec(self) -> Any:
        """Gymnasium's spec, which names the id."""
        return self.envs.spec

    def reset(self) -> Array:
        """Begin all episodes and return their observations, (num_envs, n).

        The seeds that `seed` left are used up. Together they determine the batch as a whole.
        """
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observation, infos = self.envs.reset(seed=seeds)
        self.reset_infos = _rows(infos, np.arange(self.num_envs))
        self._reset_seeds()
        # In SB3 a reset uses up options; the learned environments know none.
        self._reset_options()
        return np.asarray(observation)

    def step_async(self, actions: Array) -> None:
        """Remember the actions, (num_envs, nu), for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Advance every episode by one step; those that end begin anew.

        Returns:
            Observations (num_envs, n), rewards (num_envs) float32, dones (num_envs) bool and
            infos.

        Raises:
            ResetNeededError: before the first reset.
            ActionError: if actions are not numeric or not finite; nothing has changed then.
            ShapeError: if actions have another shape; nothing has changed then.
        """
        observation, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done.any():
            last = info.pop("final_obs")
            ended = done.nonzero()[0]
            finals = _rows(info.pop("final_info"), ended)
            begun = _rows(info, ended)
            late = truncated & ~terminated
            for index, final, start in zip(ended.tolist(), finals, begun, strict=True):
                final["TimeLimit.truncated"] = bool(late[index])
                final["terminal_observation"] = last[index]
                infos[index] = final
                self.reset_infos[index] = start
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def get_images(self) -> Sequence[Array | None]:
        """Draw every environment."""
        return self.envs.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute as each of the environments alone would have it.

        Raises:
            AttributeError: if there is none of that name.
        """
        if callable(getattr(type(self.envs), attr_name, None)):
            # SB3 asks whether there is such a method, and calls it by `env_method`.
            return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]
        each = self.envs.get_attr(attr_name)
        return [each[index] for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of all environments.

        Raises:
            ParameterError: if only some are named, because they are one batch.
        """
        if set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ParameterError(
                f"Got set_attr({attr_name!r}) for some of the environments, expected all: they "
                "are one batch and share their attributes. Leave out `indices`."
            )
        self.envs.set_attr(attr_name, [value] * self.num_envs)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method on each of `indices`.

        Args:
            method_name: `render`, `state_vector`, or `set_state` with q (nq) and v (nv) or a
                `State`.
            method_args: given to each.
            indices: which environments; all if None.
            method_kwargs: given to each.

        Raises:
            ParameterError: if a method is asked for that only the batch has.
            AttributeError: if there is none of that name.
            ShapeError: if q or v has another shape.
        """
        chosen = list(self._get_indices(indices))
        if method_name == "set_state":
            mask = np.isin(np.arange(self.num_envs), chosen)
            self.envs.set_each(mask, *method_args, **method_kwargs)
            return [None] * len(chosen)
        each = self.envs.call(method_name, *method_args, **method_kwargs)
        return [each[index] for index in chosen]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each environment, because there are no single ones to wrap."""
        return [False for _ in self._get_indices(indices)]


class LearnedVecMonitor(VecMonitor):
    """SB3's monitor of a batch of learned environments, which can be pickled and copied."""

    def reset(self) -> Any:
        """Begin all episodes; what is known of their starts is in `reset_infos`, as without it."""
        observation = super().reset()
        self.reset_infos = self.venv.reset_infos
        return observation

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be pickled: what SB3 keeps of the class, and the open file.

        A copy must not write into the file of the original.
        """
        kept = {name: x for name, x in self.__dict__.items() if name != "class_attributes"}
        return {**kept, "results_writer": None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self.class_attributes = dict(inspect.getmembers(type(self)))


def _rows(infos: Mapping[str, Any], indices: Array) -> list[dict[str, Any]]:
    """Return the infos of some environments, one plain dictionary each.

    The environments must have the same names: all have just taken a step, or all have just begun.
    """
    first = indices[0]
    names = [name for name in infos if f"_{name}" in infos and infos[f"_{name}"][first]]
    if not names:
        return [{} for _ in indices]
    columns = (_each(infos[name][indices]) for name in names)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _each(column: Array) -> list[Any]:
    """Return what each environment has: a plain number, or an array."""
    each: list[Any] = column.tolist() if column.ndim == 1 else list(column)
    return each
