"""Recordings as states: one time step, positions and velocities, and actions in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from learned_envs.data.recording import Episode
from learned_envs.logs.delay import Rows
from learned_envs.logs.map import BaseMap, JointMap, LogMap
from learned_envs.logs.measured import quaternions, rates
from learned_envs.logs.smoothing import Smoothings
from learned_envs.logs.stream import Array
from learned_envs.logs.stretch import Stretch, track_of

STEADY = 1e-3
"""Of a step: rows whose times are off by less are taken as they are."""

NICE = 2e-3
"""Of a step: means of steps that are as near to three digits are these."""

PENDING = "env._pending"
"""The leaf of the state that holds actions which have no effect yet."""

READINGS = "userdata"
"""The array of MuJoCo's that holds what is measured beside the state."""

ACTOR = "log"
"""Who acted, as datasets name it."""


@dataclass
class States:
    """Makes states of stretches.

    Attributes:
        log_map: what columns mean.
        dt: seconds of a step.
        delay: steps between an action and its effect.
        smoothing: of the columns whose derivative is needed.
    """

    log_map: LogMap
    dt: float
    delay: int = 0
    smoothing: Smoothings = field(default_factory=Smoothings)

    def episodes(self, found: Iterable[Stretch]) -> Iterator[Episode]:
        """Give each stretch as an episode, if it has a step."""
        return map(self.episode, filter(self.holds, found))

    def rows(self, stretch: Stretch) -> int:
        """Return how many times a step apart lie in a stretch."""
        return int(np.floor((stretch.end - stretch.begin) / self.dt + STEADY)) + 1

    def holds(self, stretch: Stretch) -> bool:
        """Whether there is a step in a stretch."""
        return self.rows(stretch) >= self.delay + 2

    def episode(self, stretch: Stretch) -> Episode:
        """Return a stretch that holds a step as an episode."""
        rows = self.rows(stretch)
        grid = stretch.begin + np.arange(rows) * self.dt
        q, v = self._state(stretch, grid)
        values = [self.held(stretch, action.column, grid) for action in self.log_map.actions]
        actions = np.stack(values, 1) if values else np.empty((rows, 0))
        actions = actions.astype(np.float32)
        read = [self.linear(stretch, o.column, grid) for o in self.log_map.observed if not o.state]
        columns = {READINGS: np.stack(read, 1)} if read else {}
        first = self.delay
        if self.delay and actions.shape[1]:
            pending = [actions[lag : rows - self.delay + lag] for lag in range(self.delay)]
            columns = {name: column[first:] for name, column in columns.items()}
            columns[PENDING] = np.concatenate(pending, 1).astype(np.float64)
        return logged_episode(q[first:], v[first:], actions[first:-1], columns)

    def held(self, stretch: Stretch, column: str, grid: Array) -> Array:
        """Return what a column held for most of the step from each time on, (n,)."""
        track, values = track_of(stretch, column)
        rows = np.searchsorted(track.time, grid + (0.5 - STEADY) * self.dt) - 1
        return np.asarray(values[np.maximum(rows, 0)])

    def linear(self, stretch: Stretch, column: str, grid: Array) -> Array:
        """Return a column between its rows, along straight lines, (n,)."""
        track, values = track_of(stretch, column)
        if (rows := steady(track.time, grid, self.dt)) is not None:
            return np.asarray(values[rows])
        return np.interp(grid, track.time, values)

    def _state(self, stretch: Stretch, grid: Array) -> tuple[Array, Array]:
        q: list[Array] = []
        v: list[Array] = []
        if (base := self.log_map.base) is not None and base.position is not None:
            q, v = self._base(stretch, base, grid)
        for joint in self.log_map.joints:
            position, velocity = self._joint(stretch, joint, grid)
            q.append(position)
            v.append(velocity)
        for observed in self.log_map.observed:
            if observed.state:
                position, velocity = self._derived(stretch, observed.column, grid)
                q.append(position)
                v.append(velocity)
        return np.stack(q, 1), np.stack(v, 1)

    def _joint(self, stretch: Stretch, joint: JointMap, grid: Array) -> tuple[Array, Array]:
        track, values = track_of(stretch, joint.position)
        if joint.kind == "hinge":
            # Nothing turns by half a turn in a step.
            values = np.unwrap(values)
        if joint.velocity is None:
            return self.smoothing(joint.position, track.time, values, grid)
        velocity = self.linear(stretch, joint.velocity, grid)
        if (rows := steady(track.time, grid, self.dt)) is not None:
            return np.asarray(values[rows]), velocity
        return np.interp(grid, track.time, values), velocity

    def _derived(self, stretch: Stretch, column: str, grid: Array) -> tuple[Array, Array]:
        """Return positions and velocities of a column of positions alone."""
        track, values = track_of(stretch, column)
        return self.smoothing(column, track.time, values, grid)

    def _base(
        self, stretch: Stretch, base: BaseMap, grid: Array
    ) -> tuple[list[Array], list[Array]]:
        """Return the 7 positions and 6 velocities of a free joint."""
        assert base.position is not None
        along = [self._along(stretch, base, place, grid) for place in range(3)]
        position = [p for p, _ in along]
        turned = quaternions(stretch, base)
        track, _ = track_of(stretch, base.orientation[0])
        rows = steady(track.time, grid, self.dt)
        parts = [
            turned[rows, place]
            if rows is not None
            else np.interp(grid, track.time, turned[:, place])
            for place in range(4)
        ]
        quaternion = np.stack(parts, 1)
        quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
        rotation = Rotation.from_quat(quaternion, scalar_first=True)
        linear = np.stack([v for _, v in along], 1)
        if base.linear_velocity is not None and base.linear_frame == "body":
            linear = rotation.apply(linear)
        if base.angular_velocity is not None:
            angular = np.stack([self.linear(stretch, c, grid) for c in base.angular_velocity], 1)
            if base.angular_frame == "world":
                angular = rotation.inv().apply(angular)
        else:
            angular = self._turning(base, track.time, turned, grid, rotation)
        return [*position, *quaternion.T], [*linear.T, *angular.T]

    def _along(
        self, stretch: Stretch, base: BaseMap, place: int, grid: Array
    ) -> tuple[Array, Array]:
        assert base.position is not None
        column = base.position[place]
        if base.linear_velocity is None:
            return self._derived(stretch, column, grid)
        return self.linear(stretch, column, grid), self.linear(
            stretch, base.linear_velocity[place], grid
        )

    def _turning(
        self, base: BaseMap, time: Array, turned: Array, grid: Array, rotation: Rotation
    ) -> Array:
        """Return angular velocities in the body's frame, from quaternions: 2 conj(q) dq/dt."""
        parts = zip(rates(base), turned.T, strict=True)
        derived = np.stack([self.smoothing(name, time, part, grid)[1] for name, part in parts], 1)
        w, x, y, z = rotation.as_quat(scalar_first=True).T
        dw, dx, dy, dz = derived.T
        return 2.0 * np.stack(
            [
                w * dx - x * dw - y * dz + z * dy,
                w * dy + x * dz - y * dw - z * dx,
                w * dz - x * dy + y * dx - z * dw,
            ],
            1,
        )


def logged_episode(
    q: Array, v: Array, actions: Array, columns: dict[str, Array], actor: str = ACTOR
) -> Episode:
    """Return an episode of a robot that nobody pays, and that is seen as it is.

    Args:
        q: (T + 1, nq).
        v: (T + 1, nv).
        actions: (T, nu).
        columns: (T + 1, n) each: what else belongs to the state, and what is read.
        actor: who acted.
    """
    read = [columns[READINGS]] if READINGS in columns else []
    return Episode(
        qpos=q,
        qvel=v,
        observations=np.concatenate([q, v, *read], 1),
        actions=actions,
        rewards=np.zeros(len(actions)),
        terminated=False,
        truncated=True,
        seed=-1,
        actor=actor,
        columns=columns,
    )


def rows_of(stretch: Stretch, log_map: LogMap) -> Rows:
    """Return positions and actions as they were measured, at the times of the first position."""
    columns = [joint.position for joint in log_map.joints]
    columns += [observed.column for observed in log_map.observed if observed.state]
    if log_map.base is not None:
        columns += [*(log_map.base.position or ()), *log_map.base.orientation]
    time = track_of(stretch, columns[0])[0].time

    def at(column: str, before: bool) -> Array:
        track, values = track_of(stretch, column)
        if track.time is time:
            return values
        if before:
            return np.asarray(values[np.maximum(np.searchsorted(track.time, time, "right") - 1, 0)])
        return np.interp(time, track.time, values)

    acted = [at(action.column, before=True) for action in log_map.actions]
    u = np.stack(acted, 1) if acted else np.empty((len(time), 0))
    return time, np.stack([at(column, before=False) for column in columns], 1), u


def steady(time: Array, grid: Array, dt: float) -> slice | None:
    """Return which rows lie on a grid of times; None if they lie between."""
    first = int(np.searchsorted(time, grid[0] - STEADY * dt))
    rows = time[first : first + len(grid)]
    if len(rows) < len(grid) or np.abs(rows - grid).max() > STEADY * dt:
        return None
    return slice(first, first + len(grid))


def usual_step(steps: Iterable[Array], log_map: LogMap) -> float:
    """Return a model's step, seconds: the map's, or the median time between rows."""
    if log_map.time.dt is not None:
        return log_map.time.dt
    found = np.concatenate([*steps])
    middle = float(np.median(found))
    mean = float(found[np.abs(found - middle) < 0.5 * middle].mean())
    # Clocks are set to round numbers.
    nice = float(f"{mean:.3g}")
    return nice if abs(nice - mean) < NICE * mean else round(mean, 9)
