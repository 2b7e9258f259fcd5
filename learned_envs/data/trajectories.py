"""Recorded episodes as tensors on a device, and windows drawn from them without Python loops."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.data.recording import Array, Recording
from learned_envs.errors import DatasetError, ParameterError
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Window:
    """Stretches of recorded episodes.

    Attributes:
        states: q (*batch, time + 1, nq) and v (*batch, time + 1, nv), cyclic coordinates counted
            from the first state's.
        actions: (*batch, time, nu), clamped to the actuators' range.
        readings: what each sensor reads after each step, (*batch, time, size) by its name.
        rows: (*batch) int64, where they start in the recording.
    """

    states: State
    actions: Tensor
    readings: Mapping[str, Tensor]
    rows: Tensor

    @property
    def length(self) -> int:
        """Steps in each stretch."""
        return self.actions.shape[-2]

    @property
    def start(self) -> State:
        """The first states."""
        return self.after(0)

    def after(self, steps: int) -> State:
        """Return the states that many steps after the first."""
        return self.states[..., steps, :]

    def told(self, state: State, steps: int, computed: Collection[str] = ()) -> State:
        """Return a state with the leaves that were recorded that many steps after the first.

        Args:
            state: q (*batch, nq), v (*batch, nv).
            steps: how many.
            computed: names of leaves that stay the state's own.
        """
        recorded = self.after(steps).memory.items()
        return state.remember(**{name: leaf for name, leaf in recorded if name not in computed})


class Trajectories:
    """Episodes laid end to end, resident on a device.

    Positions are kept in float64, because travelled distances are too coarse in float32. They are
    handed out in float32.
    """

    def __init__(
        self,
        q: Tensor,
        v: Tensor,
        actions: Tensor,
        memory: Mapping[str, Tensor],
        readings: Mapping[str, Tensor],
        remaining: Tensor,
        cyclic: tuple[int, ...],
    ) -> None:
        self._q, self._v, self._actions = q, v, actions
        self._memory, self._readings = memory, readings
        self._remaining = remaining
        self._cyclic = list(cyclic)
        self._starts: dict[int, Tensor] = {}

    @classmethod
    def of(
        cls,
        recording: Recording,
        spec: SystemSpec,
        device: torch.device | str = "cpu",
        sensors: Sequence[Sensor] = (),
    ) -> Trajectories:
        """Move a recording to a device.

        Args:
            recording: the episodes.
            spec: the system.
            device: where it goes.
            sensors: the task's, whose readings go with the states.

        Raises:
            DatasetError: if a sensor's readings, or a leaf of the state, were not recorded.
        """
        for leaf in spec.leaves:
            if leaf.name not in recording.columns:
                raise DatasetError(
                    f"Got episodes without {leaf.name!r}, which belongs to the state of "
                    f"{spec.reference_id}. They hold {sorted(recording.columns) or 'nothing'} "
                    "beside q and v. Record them anew by learned_envs.fit.collect."
                )
        low = torch.tensor(spec.control_low, dtype=torch.float32, device=device)
        high = torch.tensor(spec.control_high, dtype=torch.float32, device=device)
        counts = torch.as_tensor(recording.lengths + 1, device=device)
        ends = counts.cumsum(0).repeat_interleave(counts)

        def single(array: Array) -> Tensor:
            return torch.as_tensor(array, dtype=torch.float32, device=device)

        return cls(
            torch.as_tensor(recording.qpos, device=device),
            single(recording.qvel),
            torch.as_tensor(recording.actions, device=device).clamp(low, high),
            {leaf.name: single(recording.columns[leaf.name]) for leaf in spec.leaves},
            {sensor.name: single(recording.readings(sensor)) for sensor in sensors},
            ends - 1 - torch.arange(len(ends), device=device),
            spec.cyclic,
        )

    def expect(self, spec: SystemSpec, device: torch.device) -> None:
        """Check that the episodes are of a system, and on a device.

        Raises:
            DatasetError: if they are of another system.
            ParameterError: if they are elsewhere.
        """
        sizes = [tensor.shape[1] for tensor in (self._q, self._v, self._actions)]
        if sizes != [spec.nq, spec.nv, spec.nu]:
            raise DatasetError(
                f"Got episodes with {sizes} numbers of position, velocity and action, expected "
                f"{[spec.nq, spec.nv, spec.nu]}, as {spec.reference_id} has them."
            )
        if self._q.device != device:
            raise ParameterError(
                f"Got episodes on {self._q.device}, expected {device}, where the model is. Make "
                "them by Trajectories.of(..., device=...)."
            )

    @property
    def steps(self) -> int:
        """Steps in all episodes together."""
        return len(self._starting_rows(1))

    @property
    def longest(self) -> int:
        """Steps in the longest episode."""
        return int(self._remaining.max())

    def usual(self, horizons: Sequence[int]) -> tuple[int, ...]:
        """Return the horizons, in order, that episodes with at least half of all steps have.

        What is measured over longer ones is of few episodes, which are unlike the others. The
        shortest is kept if any episode has it.
        """
        over = (self._remaining == 0).nonzero()[:, 0]
        lengths = self._remaining[torch.cat([over.new_zeros(1), over[:-1] + 1])]
        return tuple(
            horizon
            for place, horizon in enumerate(sorted(horizons))
            if 2 * int(lengths[lengths >= horizon].sum()) >= self.steps
            or (place == 0 and horizon <= self.longest)
        )

    def states(self) -> State:
        """Return every recorded state, (n, .)."""
        return State(self._q.float(), self._v, self._memory)

    def draw(
        self, shape: tuple[int, ...], length: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw rows from which `length` steps stay within an episode, with replacement.

        Raises:
            DatasetError: if no episode is that long.
        """
        rows = self._starting_rows(length)
        if not len(rows):
            raise DatasetError(
                f"No episode has {length} steps. Record longer ones or ask for shorter windows."
            )
        index = torch.randint(len(rows), shape, generator=generator, device=rows.device)
        return rows[index]

    def window(self, rows: Tensor, length: int) -> Window:
        """Return the stretches of `length` steps that start at `rows` (*batch)."""
        index = rows[..., None] + torch.arange(length + 1, device=rows.device)
        q = self._q[index]
        if self._cyclic:
            q[..., self._cyclic] -= q[..., :1, self._cyclic]
        return Window(
            State(q.float(), self._v[index], {n: leaf[index] for n, leaf in self._memory.items()}),
            self._actions[index[..., :-1]],
            {name: read[index[..., 1:]] for name, read in self._readings.items()},
            rows,
        )

    def _starting_rows(self, length: int) -> Tensor:
        if length not in self._starts:
            self._starts[length] = (self._remaining >= length).nonzero()[:, 0]
        return self._starts[length]
