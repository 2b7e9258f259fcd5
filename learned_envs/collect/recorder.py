"""Watch a real environment while it is stepped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from learned_envs.collect.original import Original
from learned_envs.collect.tap import tapped
from learned_envs.data.recording import Array, Episode
from learned_envs.errors import SystemSpecError
from learned_envs.rules.tracing.cut import recorded_calls
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.columns import CALL, columns_of
from learned_envs.systems.flat import flat
from learned_envs.systems.reference import describe
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec

Policy = Callable[[Array], Array]
"""From observations (*batch, n) to actions (*batch, nu), in numpy."""

Driver = Callable[[str, Callable[[], gym.Env[Array, Array]], int, int], None]
"""(task, make_env, steps, seed): steps environments that `make_env` makes, about `steps` times."""


NOTHING: Mapping[str, Array] = MappingProxyType({})


class Recorder(gym.Wrapper[Array, Array, Array, Array]):
    """Record the full states of an environment while anything steps it.

    What is recorded is what moved the system: the actions, observations and rewards below all
    wrappers. A wrapper may rescale actions, repeat steps, or reset in a step: every step of the
    real environment is recorded as it was. Now and then one is taken again in another environment
    of the same id, which must give the same.
    """

    def __init__(
        self,
        env: gym.Env[Array, Array],
        actor: str,
        on_episode: Callable[[Episode], None],
        sensors: Sequence[Sensor] = (),
        spec: SystemSpec | None = None,
    ) -> None:
        """Wrap `env`, a reference environment.

        Args:
            env: a MuJoCo environment of Gymnasium, wrapped or not.
            actor: who acts, such as "agent:NAME".
            on_episode: called with each episode at its end. One that `reset` or `close` cuts
                short is delivered as truncated.
            sensors: the task's, whose readings are recorded if they are not observed.
            spec: the system; if None, the environment is asked.

        Raises:
            ParameterError: if it is no MuJoCo environment that was made by its id.
            SystemSpecError: if the system is not what the spec says, or not what its id makes.
        """
        self.spec_of_system = describe(env.unwrapped) if spec is None else spec
        self._original = Original.of(env, self.spec_of_system)
        env, self._tap = tapped(env)
        super().__init__(env)
        self.actor = actor
        self.on_episode = on_episode
        self._real = Adapter(env, self.spec_of_system.leaves)
        self._sensors = sensors
        self._calls = ExitStack()
        methods = [s.array.removeprefix(CALL) for s in sensors if s.array.startswith(CALL)]
        self._returned = self._calls.enter_context(recorded_calls(env, methods))
        self._rows: dict[str, list[Any]] = {}
        self._columns: dict[str, list[Array]] = {}
        self._seed = -1
        self._fallen = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Deliver what is unfinished and start an episode."""
        self.cut()
        self._tap.listener = self
        return self.env.reset(seed=seed, options=options)

    def set_state(self, q: Array, v: Array) -> Array:
        """Move the episode that `reset` began to another start, and return its observation.

        Other leaves of the state stay as they are after the reset.

        Returns:
            What the environment below all wrappers observes, flat (n,).
        """
        self.cut()
        self._real.set_state(q, v)
        observation = self._real.observe()
        if observation is None:
            # Only a step says what is observed, so the episode begins after one.
            observation, *_ = self._real.step(self._real.middle)
        self._begin(observation)
        return observation

    def step(self, action: Array) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, record, and deliver the episode if it ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            # What a wrapper ends has not ended by the task's own rules.
            ended = bool(terminated) and self._fallen
            self._deliver(ended, bool(truncated) or not ended)
        return observation, reward, terminated, truncated, info

    def cut(self) -> None:
        """Deliver the unfinished episode, if there is one, as truncated."""
        self._deliver(False, True)

    def close(self) -> None:
        """Deliver what is unfinished and close the environment."""
        self.cut()
        self._calls.close()
        super().close()

    def began(self, observation: Any, seed: int | None) -> None:
        """Begin an episode; a wrapper may have ended the last one without a word."""
        self._deliver(self._fallen, not self._fallen)
        self._seed = -1 if seed is None else seed
        self._begin(flat(self._real.base.observation_space, observation))

    def moves(self) -> None:
        """Remember where a step begins; if somebody moved the system, an episode begins there."""
        if not self._rows.get("qpos") or not self._unmoved():
            self.cut()
            self._seed = -1
            observation = self._real.observe()
            if observation is None:
                raise SystemSpecError(
                    f"{self._real.name} cannot say what is observed where a state was set. Give "
                    "the environment a method _get_obs, as Gymnasium's have."
                )
            self._begin(observation)
        self._original.moves(self.env)

    def moved(self, action: Array, observation: Any, reward: float, terminated: bool) -> None:
        """Record a step."""
        told = {
            "step.reward": np.array(reward),
            "step.terminated": np.array(float(terminated)),
            **{f"{CALL}{name}": value for name, value in self._returned().items()},
        }
        self._original.moved(self.env, action)
        self._rows["actions"].append(np.ravel(action))
        self._rows["rewards"].append(reward)
        self._fallen = terminated
        self._observe(flat(self._real.base.observation_space, observation), told)

    def _unmoved(self) -> bool:
        """Whether the state is the one that was recorded last."""
        data = self._real.data
        last = {name: self._rows[name][-1] for name in ("qpos", "qvel")}
        last.update({name: self._columns[name][-1] for name in self._columns})
        now = {"qpos": data.qpos, "qvel": data.qvel, **self._real.leaves()}
        return all(np.array_equal(now[name], last[name]) for name in now)

    def _begin(self, observation: Array) -> None:
        self._rows = {n: [] for n in ("qpos", "qvel", "observations", "actions", "rewards")}
        self._columns = {}
        self._fallen = False
        self._observe(observation)

    def _observe(self, observation: Array, told: Mapping[str, Array] = NOTHING) -> None:
        data = self._real.data
        self._rows["qpos"].append(data.qpos.copy())
        self._rows["qvel"].append(data.qvel.copy())
        self._rows["observations"].append(observation)
        for name, column in columns_of(self._real, self._sensors, told).items():
            self._columns.setdefault(name, []).append(column)

    def _deliver(self, terminated: bool, truncated: bool) -> None:
        if not self._rows.get("actions"):
            return
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
                system=self.spec_of_system,
            )
        )
