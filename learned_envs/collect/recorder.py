"""Watch a real environment while it is stepped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from learned_envs.data.recording import Array, Episode

Policy = Callable[[Array], Array]
"""From observations (*batch, n) to actions (*batch, nu), in numpy."""

Driver = Callable[[str, Callable[[], gym.Env[Array, Array]], int, int], None]
"""(task, make_env, steps, seed): steps environments that `make_env` makes, about `steps` times."""


class Recorder(gym.Wrapper[Array, Array, Array, Array]):
    """Record the full states of an environment while anything steps it.

    The action is cast to float32, the dtype of the action space, before the step. So what is
    recorded is what moved the system.
    """

    def __init__(
        self,
        env: gym.Env[Array, Array],
        actor: str,
        on_episode: Callable[[Episode], None],
        read_columns: Callable[[Any], Mapping[str, Array]] | None = None,
    ) -> None:
        """Wrap `env`, a reference environment.

        Args:
            env: a MuJoCo environment of Gymnasium, wrapped or not.
            actor: who acts, such as "agent:NAME".
            on_episode: called with each episode at its end. One that `reset` or `close` cuts
                short is delivered as truncated.
            read_columns: reads an episode's `columns` from MuJoCo's data; see
                [`columns_of`][learned_envs.systems.reference.columns_of].
        """
        super().__init__(env)
        self.actor = actor
        self.on_episode = on_episode
        self._read_columns = read_columns
        self._rows: dict[str, list[Any]] = {}
        self._columns: dict[str, list[Array]] = {}
        self._seed = -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Deliver what is unfinished and start an episode."""
        self.cut()
        observation, info = self.env.reset(seed=seed, options=options)
        self._seed = -1 if seed is None else seed
        self._begin(observation)
        return observation, info

    def set_state(self, q: Array, v: Array) -> Array:
        """Move the episode that `reset` began to another start, and return its observation."""
        base: Any = self.unwrapped
        base.set_state(q, v)
        observation: Array = base._get_obs()
        self._begin(observation)
        return observation

    def step(self, action: Array) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, record, and deliver the episode if it ends."""
        action = np.asarray(action, dtype=np.float32)
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._rows["actions"].append(action.copy())
        self._rows["rewards"].append(float(reward))
        self._observe(observation)
        if terminated or truncated:
            self._deliver(bool(terminated), bool(truncated))
        return observation, reward, terminated, truncated, info

    def cut(self) -> None:
        """Deliver the unfinished episode, if there is one, as truncated."""
        if self._rows.get("actions"):
            self._deliver(False, True)

    def close(self) -> None:
        """Deliver what is unfinished and close the environment."""
        self.cut()
        super().close()

    def _begin(self, observation: Array) -> None:
        self._rows = {n: [] for n in ("qpos", "qvel", "observations", "actions", "rewards")}
        self._columns = {}
        self._observe(observation)

    def _observe(self, observation: Array) -> None:
        data = self.unwrapped.data  # type: ignore[attr-defined]
        self._rows["qpos"].append(data.qpos.copy())
        self._rows["qvel"].append(data.qvel.copy())
        self._rows["observations"].append(np.array(observation, dtype=np.float64))
        if self._read_columns is not None:
            for name, column in self._read_columns(data).items():
                self._columns.setdefault(name, []).append(column)

    def _deliver(self, terminated: bool, truncated: bool) -> None:
        arrays = {name: np.array(rows) for name, rows in self._rows.items()}
        columns = {name: np.array(rows) for name, rows in self._columns.items()}
        self._rows = {}
        self.on_episode(
            Episode(
                **arrays,
                terminated=terminated,
                truncated=truncated,
                seed=self._seed,
                actor=self.actor,
                columns=columns,
            )
        )
