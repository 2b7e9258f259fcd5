"""A Hamiltonian network with damping and control: a port-Hamiltonian system.

Zhong, Dey and Chakraborty, "Dissipative SymODEN", 2020; Desai, Mattheakis, Sondak, Protopapas and
Roberts, "Port-Hamiltonian Neural Networks for Learning Explicit Time-Dependent Dynamical Systems",
2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from learned_envs.dynamics.hamiltonian import Hamiltonian, HamiltonianDynamics
from learned_envs.dynamics.mechanics import Forces
from learned_envs.schema import Word
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class ForcedHamiltonian(Hamiltonian):
    """A learned Hamiltonian, learned damping and a learned gain of the control."""

    integrator: Word = "midpoint"
    """A key of `GENERAL` integrators."""

    def build(self, spec: SystemSpec, members: int | None = None) -> ForcedHamiltonianDynamics:
        """Make an untrained model of the system; see `Hamiltonian.build` for what it raises."""
        return ForcedHamiltonianDynamics(self, spec, members)


class ForcedHamiltonianDynamics(HamiltonianDynamics):
    """The vector field dq/dt = dH/dp, dp/dt = -dH/dq - D(q) dH/dp + G(q) u."""

    def __init__(self, config: ForcedHamiltonian, spec: SystemSpec, members: int | None) -> None:
        super().__init__(config, spec, members)
        self.forces = Forces(self.posture, spec, config, members)

    def field(self, q: Tensor, v: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rates of q and p; see `HamiltonianDynamics.field`."""
        rate, force = super().field(q, v, given)
        rotation, posture = self.frames(q), self.posture(q, given)
        added = self.forces(posture, self.frames.enter(rotation, rate), given)
        return rate, force + self.frames.leave(rotation, added)

    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.forces.normalise(self.speed)
