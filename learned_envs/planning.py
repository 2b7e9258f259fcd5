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

from learned_envs.argument import count, function, instance, number
from learned_envs.batches import BatchCheck
from learned_envs.errors import ParameterError, ShapeError
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
            count(name, getattr(self, name))
        number("spread", self.spread, 0)
        number("exponent", self.exponent)

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
        count("elites", self.elites, most=self.candidates)

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
        if number("temperature", self.temperature, 0) == 0:
            raise ParameterError("Got temperature=0, expected more than 0.")

    def learn(self, actions: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return weighted mean and spread; see [`learn`][learned_envs.planning.Search.learn]."""
        scale = returns.std(-1, keepdim=True).clamp_min(1e-8) * float(self.temperature)
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
            ParameterError: if the search's settings make no sense, or the seed is no whole number.
            ArgumentTypeError: if an argument is something else.
        """
        self.search = search or CEM()
        function("returns", returns)
        instance("spec", spec, SystemSpec)
        instance("search", self.search, Search)
        self.search.check()
        self._returns, self._seed = returns, count("seed", seed, 0)
        self._nq, self._nv = spec.nq, spec.nv
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

        Raises:
            ArgumentTypeError: if it is no `State`.
            ShapeError: if it does not fit the system, if the batch is another than that of the last
                plan, or if the returns do not fit the candidates.
            ParameterError: if the state or, on a CPU, a return is not a number.
        """
        state = self._checked(state)
        search, device = self.search, state.q.device
        low, high = self._low.to(device), self._high.to(device)
        half = (high - low) / 2
        if self._generator is None:
            self._generator = torch.Generator(device).manual_seed(self._seed)
        mean = self._plan
        if mean is None:
            shape = (len(state.q), search.horizon, len(low))
            mean = ((low + high) / 2).expand(shape)
        spread = (float(search.spread) * half).expand_as(mean)
        for _ in range(search.iterations):
            noise = self._noise(mean)
            # The mean itself is a candidate: a search never forgets what was good.
            noise[:, 0] = 0.0
            candidates = (mean.unsqueeze(1) + spread.unsqueeze(1) * noise).clamp(low, high)
            mean, spread = search.learn(candidates, self._paid(state, candidates))
        self._plan = torch.cat([mean[:, 1:], mean[:, -1:]], 1)
        return mean[:, 0]

    def _checked(self, state: object) -> State:
        # In the precision that it comes in: a real simulator may see more than float32.
        q = getattr(state, "q", None)
        like = q if isinstance(q, Tensor) and q.is_floating_point() else self._low
        checked = BatchCheck(self._nq, self._nv, len(self._low), None, like).state(state)
        if checked.q.ndim != 2:
            raise ShapeError(f"Got q of shape {tuple(checked.q.shape)}, expected (batch, nq).")
        if self._plan is not None and len(self._plan) != len(checked.q):
            raise ShapeError(
                f"Got {len(checked.q)} states, expected {len(self._plan)}, which the plan is of. "
                "Call reset() first if other episodes begin."
            )
        return checked

    def _paid(self, state: State, candidates: Tensor) -> Tensor:
        paid = self._returns(state, candidates)
        expected = candidates.shape[:2]
        if not isinstance(paid, Tensor) or paid.shape != expected:
            shape = tuple(getattr(paid, "shape", ()))
            raise ShapeError(f"Got returns of shape {shape}, expected a tensor {tuple(expected)}.")
        if paid.device.type == "cpu" and paid.isnan().any():
            raise ParameterError("Got returns with NaN, expected numbers: see what pays them.")
        return paid

    def _noise(self, mean: Tensor) -> Tensor:
        """Draw noise of unit variance, (batch, candidates, time, nu)."""
        batch, horizon, size = mean.shape
        shape = (batch, self.search.candidates, size, horizon)
        white = torch.randn(shape, generator=self._generator, dtype=mean.dtype, device=mean.device)
        like = {"dtype": mean.dtype, "device": mean.device}
        frequency = torch.fft.rfftfreq(horizon, **like).clamp_min(1 / horizon)
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

    Raises:
        ParameterError: if the caution is no finite number, or a model of one member is asked for
            any.
    """
    if number("caution", caution) and simulation.members == 1:
        raise ParameterError(
            f"Got caution={caution} for a model of one member, which cannot disagree with itself. "
            "Leave it out, or fit with --members 3."
        )
    instance("simulation", simulation, Simulation)
    dynamics = simulation.dynamics
    members, kind = simulation.members, dynamics.q_low.dtype

    def returns(state: State, actions: Tensor) -> Tensor:
        if actions.ndim != 4 or len(actions) != len(state.q):
            raise ShapeError(
                f"Got actions of shape {tuple(actions.shape)}, expected ({len(state.q)}, "
                "candidates, time, nu)."
            )
        batch, candidates = actions.shape[:2]
        each = members * candidates
        names = {leaf.name for leaf in dynamics.spec.leaves} & state.memory.keys()
        own = State(state.q, state.v, {name: state.memory[name] for name in names})
        start = own.map(lambda tensor: tensor.repeat_interleave(each, 0)).to(kind)
        member = torch.arange(members, device=start.q.device).repeat(batch * candidates)
        start = dynamics.begin(start).remember(member=member)
        sequences = actions.to(kind).flatten(0, 1).repeat_interleave(members, 0)
        imagined = simulation.rollout(start, sequences)
        paid = (imagined.rewards * imagined.alive).sum(-1)
        paid = paid.reshape(batch, candidates, members)
        return paid.mean(-1) - caution * paid.std(-1, correction=0)

    return returns
