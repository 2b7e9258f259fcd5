"""The unstructured foil with a memory: a gated recurrent unit predicts the change of the state.

Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014. Li, Krause and
Hutter, "Robotic World Model", 2025, model robots by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from learned_envs.dynamics.dynamics import Dynamics, Family, Prediction, Width
from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.network import MLP, Linear
from learned_envs.dynamics.output_scaler import OutputScaler
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class Recurrent(Family):
    """The change of position and velocity over one step, from what was seen so far."""

    contact_geometry: bool = False
    """Show the network the heights and velocities of the contact points."""
    memory: Width = 128
    """Size of what is remembered."""

    def build(self, spec: SystemSpec, members: int | None = None) -> RecurrentDynamics:
        """Make an untrained model of the system."""
        return RecurrentDynamics(self, spec, members)


class RecurrentDynamics(Dynamics):
    """h' = GRU(q, v, u, h), q' = q + f(h'), v' = v + g(h'); h is the state's memory `hidden`."""

    remembers = ("hidden",)

    def __init__(self, config: Recurrent, spec: SystemSpec, members: int | None) -> None:
        super().__init__(spec)
        self.size = config.memory
        self.features = Features(spec, self.kinematics, config.contact_geometry)
        self.increment = OutputScaler(2 * spec.nv)
        self.seen = Linear(self.features.size, 3 * config.memory, members)
        self.remembered = Linear(config.memory, 3 * config.memory, members)
        self.network = MLP(config.memory, 2 * spec.nv, config.hidden, members, config.activation)

    def begin(
        self, state: State, generator: torch.Generator | None = None, mean: bool = False
    ) -> State:
        """Fill the memory with zeros."""
        return state.remember(hidden=state.v.new_zeros(*state.v.shape[:-1], self.size))

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one environment step; see `Dynamics.step`. `begin` fills a missing memory."""
        if "hidden" not in state.memory:
            state = self.begin(state)
        before = state.memory["hidden"]
        rotation, leave = self.frames(state.q), self.frames.leave
        given = given_by(self.spec, state, action)
        seen = self.seen(self.features(state.q, state.v, given, rotation)).chunk(3, -1)
        remembered = self.remembered(before).chunk(3, -1)
        reset, keep = (torch.sigmoid(a + b) for a, b in zip(seen[:2], remembered[:2], strict=True))
        hidden = torch.lerp(torch.tanh(seen[2] + reset * remembered[2]), before, keep)
        output = self.network(F.layer_norm(hidden, hidden.shape[-1:]))
        displacement, change = self.increment(output).split(self.spec.nv, -1)
        displacement, change = leave(rotation, displacement), leave(rotation, change)
        reached = State(
            self.kinematics.advance(state.q, displacement), state.v + change, state.memory
        )
        return Prediction(reached.remember(hidden=hidden), displacement)

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`."""
        super().normalise(state, action, next_state)
        self.features.normalise(state.q, state.v, given_by(self.spec, state, action))
        self.increment.normalise(self.increments(state, next_state))
