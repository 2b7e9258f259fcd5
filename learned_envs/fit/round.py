"""One round of a fit: what it gives, and how its agent is tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import gymnasium as gym
import msgspec

from learned_envs.collect.recorder import Policy
from learned_envs.data.recording import Array, Recording
from learned_envs.errors import CheckpointError, TrainingError
from learned_envs.figures import gap_of
from learned_envs.files import write_whole
from learned_envs.fit.folder import ROUNDS_FILE
from learned_envs.schema import decoded, sealed, unsealed

EPISODES_INSIDE = 20
"""Episodes whose mean return is a round's return inside."""

ERROR_HORIZON = 10
"""Steps after which a round's held-out error is measured."""

SETTLED_ROUNDS = 2
"""Rounds that must agree, and bring no better agent, before a new one is tried."""


@dataclass(frozen=True)
class Round:
    """What one round gave.

    Attributes:
        number: counted from 1.
        real_steps: recorded in all rounds so far.
        error: median standardised squared error after 10 steps, or as many as there are, on the
            episodes that the round's fit held out.
        inside: mean return of the agent in the model that it was trained in: whole episodes, one
            fixed member each, without penalty.
        outside: mean return of its whole episodes in the real environment, which are part of
            `real_steps`.
        episodes: how many those are.
        minutes: what the round took; if it was resumed, since then.
        anew: whether its agent began anew, because the one before was settled.
    """

    number: int
    real_steps: int
    error: float
    inside: float
    outside: float
    episodes: int
    minutes: float
    anew: bool = False

    @property
    def gap(self) -> float:
        """The gap of the returns; see `gap_of`."""
        return gap_of(self.inside, self.outside)

    def line(self) -> str:
        """Return the figures as a line of text."""
        return (
            f"round {self.number}{', a new agent' if self.anew else ''}: "
            f"{self.real_steps:,} real steps, held-out error {self.error:.2g} "
            f"at {ERROR_HORIZON} steps, return inside {self.inside:,.1f}, outside "
            f"{self.outside:,.1f} (episodes: {self.episodes}), gap {self.gap:.0%}, "
            f"{self.minutes:.1f} minutes"
        )


def read_history(folder: Path) -> list[Round]:
    """Read the figures of a fit's rounds from its folder; none if there is no file of them.

    Raises:
        CheckpointError: if the file is broken.
    """
    path = folder / ROUNDS_FILE
    if not path.exists():
        return []
    try:
        plain = decoded(text := path.read_bytes())
        # Once it was a list, without a checksum.
        rounds = plain if isinstance(plain, list) else unsealed(text).get("rounds")
        history = msgspec.convert(rounds, list[Round])
        if [round.number for round in history] != list(range(1, len(history) + 1)):
            raise msgspec.ValidationError("its rounds are not numbered from 1 on")
        return history
    except (msgspec.MsgspecError, OSError) as error:
        raise CheckpointError(
            f"{path} does not hold the figures of rounds ({error}). Restore it from a copy, or "
            "delete the folder and fit again."
        ) from error


def write_history(folder: Path, history: Sequence[Round]) -> None:
    """Write the rounds' figures into a fit's folder.

    Raises:
        OutputError: if they cannot be written.
        TrainingError: if one is not finite.
    """
    for name, value in asdict(history[-1]).items() if history else ():
        if not math.isfinite(value):
            raise TrainingError(
                f"Round {history[-1].number} gave {name}={value}, expected a finite number: its "
                "agent or its model diverged. Fit with a lower --learning-rate, or more steps."
            )
    figures = [asdict(round) for round in history]
    write_whole(folder / ROUNDS_FILE, sealed({"rounds": figures}))


def settled(history: Sequence[Round], agreement: float) -> bool:
    """Return whether inside and outside agree, and the agent no longer gets better.

    It may be good, or stuck: around an agent that stands still, the model is soon right too.
    """
    last, before = history[-SETTLED_ROUNDS:], history[:-SETTLED_ROUNDS]
    agree = all(round.gap <= agreement for round in last)
    return bool(before) and agree and not _better(last, before, agreement)


def finished(history: Sequence[Round], agreement: float) -> bool:
    """Return whether a new agent, tried in place of a settled one, is no better either."""
    last, before = history[-1:], history[:-1]
    return bool(before) and last[0].anew and not _better(last, before, agreement)


def _better(last: Sequence[Round], before: Sequence[Round], agreement: float) -> bool:
    best = max(round.outside for round in before)
    return max(round.outside for round in last) > best + agreement * abs(best)


@dataclass(frozen=True)
class Trial:
    """A driver that runs a policy, as it is, from the task's own starts."""

    policy: Policy

    def __call__(
        self, task: str, make_env: Callable[[], gym.Env[Array, Array]], steps: int, seed: int
    ) -> None:
        """Take `steps` steps; the last episode is cut to fit."""
        with closing(make_env()) as env:
            ended = True
            for step in range(steps):
                if ended:
                    observation, _ = env.reset(seed=seed + step)
                observation, _, terminated, truncated, _ = env.step(self.policy(observation))
                ended = terminated or truncated


def whole_returns(recording: Recording, actor: str, limit: int) -> list[float]:
    """Return the returns of an actor's whole episodes, or of its cut ones if it has no other."""
    episodes = [recording.episode(i) for i, who in enumerate(recording.actors) if who == actor]
    whole = [e for e in episodes if e.terminated or len(e.rewards) == limit]
    return [float(episode.rewards.sum()) for episode in whole or episodes]
