"""Model-based control: at every step, search for the actions that pay best in a model.

    plan = Planner(imagined_returns(simulation), simulation.task.spec, CEM(horizon=30))
    action = plan(state)

A planner keeps the plan that it found. Its next call starts there, one step on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.dynamics import Ensemble
from learned_envs.errors import ParameterError
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec

Returns = Callable[[State, Tensor], Tensor]
"""(states (batch), actions (batch, candidates, time, nu)) -> returns (batch, candidates)."""


@dataclass(frozen=True)
class Search(ABC):
    """How a planner searches, for one state or many side by side.

    Candidates are drawn about the best plan so far. The power of their noise falls with frequency,
    because actions that change at every step lead nowhere (Pinneri et al., "Sample-efficient
    Cross-Entropy Method for Real-time Planning", CoRL 2020).
    """

    horizon: int = 30
    """Steps that are imagined."""
    candidates: int = 128
    """Action sequences in one iteration."""
    iterations: int = 3
    """How often candidates are drawn, each time about the mean that the last ones gave."""
    spread: float = 0.5
    """Standard deviation of the first noise, in half widths of the actuators' range."""
    exponent: float = 2.0
    """The noise's power falls as frequency to this exponent; 0 is white noise."""

    def check(self) -> None:
        """Check the settings.

        Raises:
            ParameterError: if one makes no sense.
        """
        for name in ("horizon", "candidates", "iterations"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")

    @abstractmethod
    def learn(self, actions: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the spread of the next candidates, (batch, time, nu) each.

        Args:
            actions: (batch, candidates, time, nu).
            returns: (batch, candidates).
        """


@dataclass(frozen=True)
class CEM(Search):
    """The cross-entropy method: go on from the best candidates (Rubinstein, 1999)."""

    elites: int = 10
    """How many candidates count as the best."""

    def check(self) -> None:
        """Check the settings; see [`Search.check`][learned_envs.planning.Search.check]."""
        super().check()
        if not 1 <= self.elites <= self.candidates:
            raise ParameterError(
                f"elites must be from 1 to candidates={self.candidates}, got {self.elites}."
            )

    def learn(self, actions: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the elites' mean and spread; see [`learn`][learned_envs.planning.Search.learn]."""
        best = returns.topk(self.elites, -1).indices
        elites = actions.gather(1, best[..., None, None].expand(-1, -1, *actions.shape[2:]))
        return elites.mean(1), elites.std(1, correction=0)


@dataclass(frozen=True)
class MPPI(Search):
    """Model predictive path integral control: weigh all candidates (Williams et al., ICRA 2017)."""

    temperature: float = 0.1
    """Returns are divided by it; its unit is their standard deviation."""

    def check(self) -> None:
        """Check the settings; see [`Search.check`][learned_envs.planning.Search.check]."""
        super().check()
        if self.temperature <= 0:
            raise ParameterError(f"temperature must be more than 0, got {self.temperature}.")

    def learn(self, actions: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return weighted mean and spread; see [`learn`][learned_envs.planning.Search.learn]."""
        scale = returns.std(-1, keepdim=True).clamp_min(1e-8) * self.temperature
        weight = torch.softmax(returns / scale, -1)[..., None, None]
        mean = (weight * actions).sum(1)
        return mean, (weight * (actions - mean.unsqueeze(1)).square()).sum(1).sqrt()


class Planner:
    """Chooses actions by a search, and starts each search where the last one ended.

    Examples:
        >>> from learned_envs.card import read_card
        >>> spec = read_card("InvertedPendulum").spec
        >>> def returns(state, actions):  # what pays best is to push with 1 at every step
        ...     return -(actions - 1).square().sum((-2, -1))
        >>> plan = Planner(returns, spec, CEM(horizon=5, iterations=10))
        >>> plan(State(torch.zeros(1, spec.nq), torch.zeros(1, spec.nv))).round(decimals=1)
        tensor([[1.]])
    """

    def __init__(
        self, returns: Returns, spec: SystemSpec, search: Search | None = None, seed: int = 0
    ) -> None:
        """Prepare to plan.

        Args:
            returns: what action sequences pay, in a learned model or another; see
                [`imagined_returns`][learned_envs.planning.imagined_returns].
            spec: the system, which has the actuators' range.
            search: how to search; `CEM()` if not given.
            seed: of the candidates' noise.

        Raises:
            ParameterError: if the search's settings make no sense.
        """
        self.search = search or CEM()
        self.search.check()
        self._returns, self._seed = returns, seed
        self._low, self._high = (
            torch.tensor(bound, dtype=torch.float32, device="cpu")
            for bound in (spec.control_low, spec.control_high)
        )
        self._plan: Tensor | None = None
        self._generator: torch.Generator | None = None

    def reset(self) -> None:
        """Forget the plan: the next state begins an episode."""
        self._plan = None

    @torch.no_grad()
    def __call__(self, state: State) -> Tensor:
        """Return the actions to take, (batch, nu).

        Args:
            state: q (batch, nq), v (batch, nv): the states that the last actions led to, or any
                after `reset`.
        """
        search, device = self.search, state.q.device
        low, high = self._low.to(device), self._high.to(device)
        half = (high - low) / 2
        if self._generator is None:
            self._generator = torch.Generator(device).manual_seed(self._seed)
        mean = self._plan
        if mean is None:
            shape = (len(state.q), search.horizon, len(low))
            mean = ((low + high) / 2).expand(shape)
        spread = (search.spread * half).expand_as(mean)
        for _ in range(search.iterations):
            noise = self._noise(mean)
            # The mean itself is a candidate: a search never forgets what was good.
            noise[:, 0] = 0.0
            candidates = (mean.unsqueeze(1) + spread.unsqueeze(1) * noise).clamp(low, high)
            mean, spread = search.learn(candidates, self._returns(state, candidates))
        self._plan = torch.cat([mean[:, 1:], mean[:, -1:]], 1)
        return mean[:, 0]

    def _noise(self, mean: Tensor) -> Tensor:
        """Draw noise of unit variance, (batch, candidates, time, nu)."""
        batch, horizon, size = mean.shape
        shape = (batch, self.search.candidates, size, horizon)
        white = torch.randn(shape, generator=self._generator, dtype=mean.dtype, device=mean.device)
        frequency = torch.fft.rfftfreq(horizon, device=mean.device).clamp_min(1 / horizon)
        spectrum = torch.fft.rfft(white) * frequency ** (-self.search.exponent / 2)
        colored = torch.fft.irfft(spectrum, n=horizon)
        colored /= colored.square().mean((1, -1), keepdim=True).sqrt()
        noise: Tensor = colored.transpose(-1, -2)
        return noise


def imagined_returns(simulation: Simulation, caution: float = 0.0) -> Returns:
    """Return the function that says what action sequences pay in a learned simulation.

    It averages over the members. Each member follows each sequence by itself, as in Chua et al.
    (PETS, NeurIPS 2018). Nothing is paid after an episode's end.

    Args:
        simulation: the learned model.
        caution: how many standard deviations of the members' returns are taken off their mean.
    """
    dynamics = simulation.dynamics
    members = dynamics.members if isinstance(dynamics, Ensemble) else 1

    def returns(state: State, actions: Tensor) -> Tensor:
        batch, candidates = actions.shape[:2]
        each = members * candidates
        q, v = (x.repeat_interleave(each, 0).float() for x in (state.q, state.v))
        member = torch.arange(members, device=q.device).repeat(batch * candidates)
        start = dynamics.begin(State(q, v)).remember(member=member)
        sequences = actions.float().flatten(0, 1).repeat_interleave(members, 0)
        imagined = simulation.rollout(start, sequences)
        paid = (imagined.rewards * imagined.alive).sum(-1)
        paid = paid.reshape(batch, candidates, members)
        return paid.mean(-1) - caution * paid.std(-1, correction=0)

    return returns
