"""A free pendulum, as [`PendulumEnv`][learned_envs.systems.pendulum.PendulumEnv] simulates it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from learned_envs.kinematics import Inertia
from learned_envs.state import State
from learned_envs.tasks.task import Readings, Task, Transition, constant


@dataclass(frozen=True, kw_only=True)
class Pendulum(Task):
    """Swing: a chain or a spring pendulum of one to four bodies, or one above a floor.

    ## Action
    None: an empty vector.

    ## Observation
    Angles of the hinges and stretches of the springs, then their velocities.

    ## Rewards
    `reward_survive`, 1 if the state is finite.

    ## Starting State
    Hinges uniform in +-`reset_noise_scale`, radians and rad/s; springs in a tenth of it, metres
    and m/s.

    ## Episode End
    Terminated if the state is not finite.

    `info` holds the total `energy`, joules.

    Attributes:
        reset_noise_scale: half width of the noise on the starting state.
    """

    reset_noise_scale: float = 1.0

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw (batch) starts around the hanging pendulum."""
        device = generator.device if generator is not None else torch.device("cpu")
        slides = [0.1 if joint.kind == "slide" else 1.0 for joint in self.spec.joints]
        shape = (2, batch, self.spec.nq)
        noise = torch.rand(shape, generator=generator, device=device, dtype=dtype)
        q, v = self.reset_noise_scale * constant(slides, noise) * (2 * noise - 1)
        return State(constant(self.spec.q0, noise) + q, v)

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return (*batch, 2 nq)."""
        return torch.cat((state.q, state.v), dim=-1)

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return 1 if the episode goes on, else 0."""
        survives = ~self.terminated(transition.next_state)
        return {"reward_survive": survives.to(transition.next_state.q.dtype)}

    def terminated(self, state: State) -> Tensor:
        """Return whether the state is not finite, (*batch) bool."""
        return ~self.observation(state).isfinite().all(dim=-1)

    def details(self, transition: Transition) -> dict[str, Tensor]:
        """Return the energy of the state that was reached."""
        return {"energy": self.energy(transition.next_state)}

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the energy of the first state."""
        return {"energy": self.energy(state)}

    def energy(self, state: State) -> Tensor:
        """Return potential and kinetic energy together, (*batch), joules."""
        inertia = self._inertia.to(state.q.device)
        potential, kinetic = inertia.energy(state.q.double(), state.v.double())
        return (potential + kinetic).to(state.q.dtype)

    @cached_property
    def _inertia(self) -> Inertia:
        return Inertia(self.spec)
