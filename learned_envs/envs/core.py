"""Episodes inside a simulation: how they begin, how they go on, and what cuts them short.

The single and the vector environment are two ways to hand out what happens here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from msgspec import UnsetType
from torch import Tensor

from learned_envs import registry
from learned_envs.card import Card, read_card
from learned_envs.envs.argument import is_number, numbers
from learned_envs.errors import ActionError, ParameterError, ShapeError
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.stepping import NativeStep
from learned_envs.tasks.task import Task


@dataclass(frozen=True)
class EnvStep:
    """What one step of a batch of episodes gives.

    Attributes:
        state: after the step.
        observation: of that state, (batch, n).
        reward: (batch), with the penalty for disagreement taken off.
        terminated: (batch) bool, by the task's rules.
        truncated: (batch) bool, where the model left its data; time limits are not known here.
        info: (batch) each: the reference's keys, `diverged` and `out_of_support` as bool, and
            `disagreement` where it was computed.
    """

    state: State
    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    info: dict[str, Tensor]


class EnvCore:
    """Batches of episodes of one task in one learned model.

    Attributes:
        simulation: what they take place in.
        native: whether steps are native code, as they are where they are compiled on a CPU.
        max_disagreement: the disagreement past which an episode is truncated; None for never.
    """

    def __init__(
        self,
        task: str,
        parameters: Mapping[str, Any],
        *,
        checkpoint: str | Path | None,
        device: str | torch.device,
        compile: bool,
        precision: Literal["float32", "bfloat16"],
        ensemble: Literal["member", "mean"],
        max_disagreement: float | Literal["auto"] | None,
        disagreement_penalty: float,
        disagreement_in_info: bool,
    ) -> None:
        """Load the model; see `LearnedVectorEnv` for the arguments and the errors."""
        if ensemble not in ("member", "mean"):
            raise ParameterError(
                f"Got ensemble={ensemble!r}, expected 'member' (one member an episode) or 'mean'."
            )
        if precision not in ("float32", "bfloat16"):
            raise ParameterError(f"Got precision={precision!r}, expected 'float32' or 'bfloat16'.")
        if not (is_number(disagreement_penalty) and 0 <= disagreement_penalty < math.inf):
            raise ParameterError(
                f"Got disagreement_penalty={disagreement_penalty!r}, expected a finite number "
                "that is not negative."
            )
        task = registry.task_of(task)
        # An id and not the bare name, which a folder of the user's is likelier to have.
        source = registry.env_id(task) if checkpoint is None else checkpoint
        card = read_card(source, task)
        simulation = Simulation.load(source, device, **parameters)
        if precision == "bfloat16":
            simulation = simulation.to_bfloat16()
        # A whole step is native code on a CPU, and not the simulation's part of it alone.
        self.native = compile and simulation.device.type == "cpu"
        self.simulation = simulation.compiled() if compile and not self.native else simulation
        self.max_disagreement = _threshold(max_disagreement, card)
        self._mean = ensemble == "mean"
        self._penalty = float(disagreement_penalty)
        self._disagreement = (
            disagreement_in_info or self._penalty > 0 or self.max_disagreement is not None
        )
        self._generator: torch.Generator | None = None
        self._like = self.simulation.dynamics.q_low
        self._fast: Callable[[State, Tensor], Any] = self._step
        if self.native:
            self._fast = NativeStep(self._step, None if self._disagreement else self._steps_apart)

    @property
    def task(self) -> Task:
        """What is asked."""
        return self.simulation.task

    @property
    def render_fps(self) -> int:
        """How many steps make a second."""
        return round(1 / self.task.spec.dt)

    def seed(self, random: np.random.Generator, afresh: bool) -> None:
        """Derive the source of randomness from Gymnasium's, the first time or when `afresh`."""
        if self._generator is None or afresh:
            self._generator = torch.Generator(device=self.simulation.device)
            self._generator.manual_seed(int(random.integers(2**63 - 1)))

    def begin(self, batch: int, starts: State | None = None, fraction: float = 0.0) -> State:
        """Draw the states that `batch` episodes begin from, an ensemble member included.

        Args:
            batch: how many.
            starts: q (n, nq) and v (n, nv) to begin from, in place of the task's own starts.
            fraction: the probability of beginning from one of `starts`.
        """
        generator = self._generator
        state = self.simulation.reset(batch, generator, self._mean)
        if starts is None or fraction == 0:
            return state
        device = state.q.device
        row = torch.randint(len(starts.q), (batch,), generator=generator, device=device)
        elsewhere = torch.rand(batch, generator=generator, device=device) < fraction
        start = starts[row]
        if not self._mean:
            start = self.simulation.dynamics.begin(start, generator)
        return start.where(elsewhere, state)

    def with_member(self, member: int) -> EnvCore:
        """Return the same episodes in one member of the ensemble, where the others are not needed.

        They are needed where members' disagreement is.
        """
        if self._disagreement:
            return self
        own = copy.copy(self)
        own.simulation = self.simulation.with_member(member)
        own._fast = own._step
        return own

    def step(self, state: State, action: Tensor) -> EnvStep:
        """Advance a batch of episodes by one step; the action is (batch, nu)."""
        outcome: EnvStep = self._fast(state, action)
        return outcome

    def _step(self, state: State, action: Tensor) -> EnvStep:
        step = self.simulation.step(state, action, self._disagreement)
        reward = step.reward
        out_of_support = torch.zeros_like(step.diverged)
        info = {
            **self.task.details(step.transition),
            **step.reward_terms,
            "diverged": step.diverged,
        }
        if step.disagreement is not None:
            if self.max_disagreement is not None:
                # Written so that a disagreement that is not a number counts as too much.
                out_of_support = ~(step.disagreement <= self.max_disagreement)
            disagreement = step.disagreement.where(step.disagreement.isfinite(), 0.0)
            info["disagreement"] = disagreement
            if self._penalty:
                reward = reward - self._penalty * disagreement
        info["out_of_support"] = out_of_support
        truncated = step.diverged | out_of_support
        return EnvStep(step.state, step.observation, reward, step.terminated, truncated, info)

    def action(self, value: object, batch: tuple[int, ...], finite: bool = True) -> Tensor:
        """Return an agent's action as (*batch, nu) on the simulation's device.

        Args:
            value: anything numeric, cast as MuJoCo casts what is written to `ctrl`.
            batch: the shape that comes before nu.
            finite: whether to check that it is finite, for which a GPU must be waited for.

        Raises:
            ActionError: where it is not numeric or not finite.
            ShapeError: where it has another shape.
        """
        return numbers(
            "an action", value, (*batch, self.task.spec.nu), self._like, ActionError, finite
        )

    def place(self, state: State, q: object, v: object) -> State:
        """Return `state` moved to q and v; what it remembers, its member above all, stays.

        Args:
            state: of the shape (*batch, .) that q and v must have.
            q: positions, (*batch, nq), numpy or torch.
            v: velocities, (*batch, nv).

        Raises:
            ShapeError: where q or v has another shape.
            ParameterError: where q or v is not numeric or not finite.
        """
        return State(
            numbers("q", q, tuple(state.q.shape), state.q).clone(),
            numbers("v", v, tuple(state.v.shape), state.v).clone(),
            state.memory,
        )

    def starts(self, state: State | None, fraction: float) -> State | None:
        """Check states to begin episodes from, and bring them to the simulation's device.

        Raises:
            ParameterError: where they are no State, not finite, or do not go with the fraction.
            ShapeError: where they are not q (n, nq) and v (n, nv) with n > 0.
        """
        if not (is_number(fraction) and 0 <= fraction <= 1):
            raise ParameterError(f"Got start_fraction={fraction!r}, expected a number in [0, 1].")
        if state is None:
            if fraction > 0:
                raise ParameterError(
                    f"Got start_fraction={fraction} without starts. Pass a State of q (n, nq) and "
                    "v (n, nv), such as states of a dataset."
                )
            return None
        if not isinstance(state, State):
            raise ParameterError(f"Got starts of type {type(state).__name__}, expected a State.")
        spec, count = self.task.spec, len(state.q)
        if count == 0:
            raise ShapeError("Got starts without a single state, expected at least one.")
        q = numbers("starts.q", state.q, (count, spec.nq), self._like)
        return State(q, numbers("starts.v", state.v, (count, spec.nv), self._like))

    def _steps_apart(self) -> list[Callable[[State, Tensor], EnvStep]]:
        return [self.with_member(member)._step for member in range(self.simulation.members)]


def _threshold(asked: object, card: Card) -> float | None:
    if isinstance(asked, str) and asked == "auto":
        stored = card.disagreement_threshold
        return None if isinstance(stored, UnsetType) else stored
    if asked is None:
        return None
    if not (is_number(asked) and asked > 0):
        raise ParameterError(
            f"Got max_disagreement={asked!r}, expected 'auto' (the checkpoint's own threshold), "
            "a positive number, or None for no limit."
        )
    return float(asked)
