"""Step many simulations of one real environment, and evaluate its traced rules for all at once.

MuJoCo moves each simulation as the environment would, to the last bit. What its Python computes of
that is the graph that was traced from it, evaluated in a batch. Resets are the environment's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch

from learned_envs.collect.original import EVERY, Original
from learned_envs.data.recording import Array, Episode
from learned_envs.errors import LockstepError, SystemSpecError
from learned_envs.rules.evaluator import Evaluator
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.columns import SENSOR
from learned_envs.systems.copying import EVERYTHING, state_of
from learned_envs.tasks.traced import TracedTask

ROUNDING = 1e-6
"""Relative difference that float32 makes: environments compute costs of float32 actions."""

JUDGED = ("observation", "reward", "terminated", "truncated")


class Lockstep:
    """Simulations of one real environment that are stepped together and recorded.

    Now and then a step is taken again in the environment itself, which must give the same.

    Attributes:
        env: the environment; it makes the starts, and the steps that are taken again.
        count: how many simulations there are.
        limit: steps after which an episode is truncated; None for no limit.
    """

    def __init__(
        self,
        env: gym.Env[Array, Array],
        task: TracedTask,
        count: int,
        actor: str = "",
        on_episode: Callable[[Episode], None] = lambda _: None,
        every: int = EVERY,
    ) -> None:
        """Prepare; `reset` begins an episode.

        Args:
            env: the task's reference environment, one that `hindrance` has nothing against.
            task: what is seen, paid and ended.
            count: how many simulations.
            actor: who acts, such as "agent:NAME".
            on_episode: called with each episode that is delivered.
            every: one step in so many is taken again in the environment itself.

        Raises:
            SystemSpecError: if the system is not what the task's spec says.
        """
        self.env, self.count, self.actor, self.on_episode = env, count, actor, on_episode
        self.limit = None if env.spec is None else env.spec.max_episode_steps
        self._spec, self._sensors = task.spec, [s for s in task.sensors if s.place is None]
        self._original = Original.of(env, task.spec)
        self._real = Adapter(env)
        self._model = self._real.model
        self._data = mujoco.MjData(self._model)
        graph = task.rules.step
        self._acted = graph.inputs.get("action", (task.spec.nu,))
        self._giving = Evaluator(graph, ["ctrl"])
        self._judging = Evaluator(graph, JUDGED)
        read = {name.partition(".")[2] for name in graph.inputs} - {""}
        names = sorted({"qpos", "qvel", *read, *(s.array for s in self._sensors)})
        self._fields = {name: field_of(self._data, name) for name in names}
        self._now = {name: np.zeros((count, *x.shape)) for name, x in self._fields.items()}
        self._states = np.zeros((count, mujoco.mj_stateSize(self._model, EVERYTHING)))
        self._rows: dict[str, Array] = {}
        self._seeds = np.full(count, -1)
        self.lengths = np.zeros(count, dtype=np.int64)
        """(count,) steps of each episode so far."""
        self._steps, self._every = 0, every

    def reset(self, lane: int, seed: int) -> Array:
        """Begin an episode in one of the simulations; return its observation (n,)."""
        observation = self._real.reset(seed)
        if self._real.model is not self._model:
            raise SystemSpecError(
                f"A reset of {self._real.name} makes another MjModel. Let resets keep the model."
            )
        self._seeds[lane] = seed
        self._begin(lane, observation)
        return observation

    def set_state(self, lane: int, q: Array, v: Array) -> Array:
        """Move the episode that `reset` began just now to another start; return its observation."""
        self._real.set_state(q, v)
        observation = self._real.observe()
        assert observation is not None, "hindrance() asks for _get_obs"
        self._begin(lane, observation)
        return observation

    def step(self, actions: Array, lanes: Array | None = None) -> tuple[Array, Array, Array, Array]:
        """Step simulations, and record.

        Args:
            actions: (n, nu); they are cast to float32, as the environment has them.
            lanes: (n) int, which simulations; all of them if not given.

        Returns:
            Observations (n, columns), rewards (n,), and whether the environment terminates (n,)
            and truncates (n,) the episodes. Whoever steps delivers the episodes.

        Raises:
            LockstepError: if the environment itself takes one of these steps otherwise.
        """
        lanes = np.arange(self.count) if lanes is None else lanes
        actions = np.asarray(actions, dtype=np.float32)
        given = actions.astype(np.float64).reshape(len(lanes), *self._acted)
        inputs = {"action": torch.from_numpy(given), **self._read("before", lanes)}
        controls = self._giving(inputs)["ctrl"].reshape(len(lanes), -1).numpy()
        sampled = self._sample(len(lanes))
        if sampled is not None:
            lane = lanes[sampled]
            state = self._states[lane].copy()
            before = {name: now[lane].copy() for name, now in self._now.items()}
        for lane, ctrl in zip(lanes.tolist(), controls, strict=True):
            self._advance(lane, ctrl)
        found = self._judging(inputs | self._read("after", lanes))
        seen, paid, ended, cut = (found[name].numpy() for name in JUDGED)
        if sampled is not None:
            ours = (seen[sampled], paid[sampled], ended[sampled], cut[sampled])
            self._again(lanes[sampled], state, before, actions[sampled], ours)
        self.lengths[lanes] += 1
        if self.limit is not None:
            cut = cut | (self.lengths[lanes] >= self.limit)
        self._record(lanes, seen, actions, paid)
        return seen, paid, ended, cut

    def deliver(self, lane: int, terminated: bool = False) -> None:
        """Deliver the episode of a simulation, if it has a step; it is truncated if not terminated.

        The next step needs a reset.
        """
        length = int(self.lengths[lane])
        if not length:
            return
        self.lengths[lane] = 0
        arrays = {
            name: rows[lane, : length + (name not in ("actions", "rewards"))].copy()
            for name, rows in self._rows.items()
        }
        columns = {sensor.name: arrays.pop(f"column.{sensor.name}") for sensor in self._sensors}
        self.on_episode(
            Episode(
                **arrays,
                terminated=terminated,
                truncated=not terminated,
                seed=int(self._seeds[lane]),
                actor=self.actor,
                columns=columns,
                system=self._spec,
            )
        )

    def close(self) -> None:
        """Deliver what is unfinished, as truncated, and close the environment."""
        for lane in range(self.count):
            self.deliver(lane)
        self.env.close()

    def _begin(self, lane: int, observation: Array) -> None:
        real = self._real.data
        self._states[lane] = state_of(self._model, real)
        for name, now in self._now.items():
            now[lane] = field_of(real, name)
        self.lengths[lane] = 0
        lanes = np.array([lane])
        self._record(lanes, observation[None])

    def _read(self, when: str, lanes: Array) -> dict[str, torch.Tensor]:
        return {
            name: torch.from_numpy(self._now[name.partition(".")[2]][lanes])
            for name in self._judging.inputs | self._giving.inputs
            if name.startswith(f"{when}.")
        }

    def _advance(self, lane: int, ctrl: Array) -> None:
        """Move a simulation as Gymnasium's environments do."""
        model, data, state = self._model, self._data, self._states[lane]
        mujoco.mj_setState(model, data, state, EVERYTHING)
        data.ctrl[:] = ctrl
        mujoco.mj_step(model, data, self._spec.frame_skip)
        # They do so for the contact forces, which nothing else computes.
        mujoco.mj_rnePostConstraint(model, data)
        mujoco.mj_getState(model, data, state, EVERYTHING)
        for name, there in self._fields.items():
            self._now[name][lane] = there

    def _sample(self, count: int) -> int | None:
        """Return which of some steps is taken again in the environment itself."""
        first, self._steps = self._steps, self._steps + count
        due = -first % self._every
        return due if due < count else None

    def _again(
        self,
        lane: int,
        state: Array,
        before: Mapping[str, Array],
        action: Array,
        ours: tuple[Array, Array, Array, Array],
    ) -> None:
        """Take a step in the environment itself, and compare."""
        data = self._real.data
        mujoco.mj_setState(self._model, data, state, EVERYTHING)
        for name, value in before.items():
            field_of(data, name)[...] = value
        seen, paid, ended, cut, _ = self._real.step(action)
        pairs: dict[str, tuple[Any, Any]] = {
            name: (self._now[name][lane], field_of(data, name)) for name in self._now
        }
        pairs |= dict(zip(JUDGED, zip(ours, (seen, paid, ended, cut), strict=True), strict=True))
        for name, (own, its) in pairs.items():
            own, its = np.asarray(own, float), np.asarray(its, float)
            same = np.array_equal(own, its, equal_nan=True)
            if not same and (
                name in self._now
                or not np.allclose(own, its, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)
            ):
                away = np.abs(own - its).max()
                raise LockstepError(
                    f"A step of {self._real.name} gives another {name} than MuJoCo and the rules "
                    f"that were traced from its code, by {away:.2g}."
                )

    def _record(
        self,
        lanes: Array,
        observations: Array,
        actions: Array | None = None,
        rewards: Array | None = None,
    ) -> None:
        now = {name: self._now[name][lanes] for name in ("qpos", "qvel")}
        now["observations"] = observations
        for sensor in self._sensors:
            reading = self._now[sensor.array][lanes].reshape(len(lanes), -1)
            now[f"column.{sensor.name}"] = reading[:, sensor.slice]
        at = self.lengths[lanes]
        for name, values in now.items():
            self._room(name, values, at)[lanes, at] = values
        if actions is not None and rewards is not None:
            self._room("actions", actions, at)[lanes, at - 1] = actions
            self._room("rewards", rewards, at)[lanes, at - 1] = rewards

    def _room(self, name: str, values: Array, at: Array) -> Array:
        """Return the rows of a name, with room for one more of each simulation."""
        rows = self._rows.get(name)
        if rows is None:
            rows = np.zeros((self.count, 64, *values.shape[1:]), values.dtype)
        if at.max() >= rows.shape[1]:
            rows = np.concatenate([rows, np.zeros_like(rows)], axis=1)
        self._rows[name] = rows
        return rows


def field_of(data: mujoco.MjData, name: str) -> Any:
    """Return an array of MuJoCo's data, as it lies there, or the part of a sensor of the MJCF."""
    if name.startswith(SENSOR):
        return data.sensor(name.removeprefix(SENSOR)).data
    return getattr(data, name)
