"""How episodes start that begin around a reference pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Task, constant


@dataclass(frozen=True, kw_only=True)
class NoisyStartTask(Task):
    """A task whose episodes start around the reference pose.

    Attributes:
        start: `uniform_start`, `normal_speed_start`, or what takes the same arguments.
        reset_noise_scale: size of the noise.
    """

    start: ClassVar[Callable[..., State]]

    reset_noise_scale: float

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw (batch) starts around the reference pose."""
        return self.start(self.spec, self.reset_noise_scale, batch, generator, dtype)


def uniform_start(
    spec: SystemSpec,
    scale: float,
    batch: int,
    generator: torch.Generator | None,
    dtype: torch.dtype,
) -> State:
    """Draw (batch) states with q uniform in q0 +- `scale` and v in 0 +- `scale`."""
    device = generator.device if generator is not None else torch.device("cpu")
    shape = (batch, spec.nq + spec.nv)
    noise = torch.rand(shape, generator=generator, device=device, dtype=dtype)
    drawn = scale * (2 * noise - 1)
    # Slices take a third of the time of a split: a reset may be most of a short episode.
    return State(constant(spec.q0, noise) + drawn[:, : spec.nq], drawn[:, spec.nq :])


def normal_speed_start(
    spec: SystemSpec,
    scale: float,
    batch: int,
    generator: torch.Generator | None,
    dtype: torch.dtype,
) -> State:
    """Draw (batch) states with q uniform in q0 +- `scale` and v normal, of spread `scale`."""
    start = uniform_start(spec, scale, batch, generator, dtype)
    device = start.v.device
    speed = torch.randn(start.v.shape, generator=generator, device=device, dtype=dtype)
    return State(start.q, scale * speed)
