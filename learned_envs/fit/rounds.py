"""Rounds of collecting, fitting and improving: a model that is good where its agents go.

A model is often wrong where an agent that learns in it ends up, because nothing was recorded
there. So the agent is run in the real environment, and what happens is added to the data. Then
model and agent are trained further (Dyna: Sutton, 1991; as in MBPO: Janner et al., NeurIPS 2019).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from learned_envs.card import Entries, read_card
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.collect.collection import DRIVER, Driver, Policy, collect
from learned_envs.data.dataset import MANIFEST, Dataset
from learned_envs.data.trajectories import Trajectories
from learned_envs.evaluation.returns import episode_limit, rewards_inside
from learned_envs.files import writing
from learned_envs.fit.config import FitConfig
from learned_envs.fit.curves import curves
from learned_envs.fit.folder import (
    AGENT_FOLDER,
    DATA_FOLDER,
    FILE_NAME,
    round_folder,
)
from learned_envs.fit.model import fit_model
from learned_envs.fit.observer import Observer
from learned_envs.fit.round import (
    EPISODES_INSIDE,
    ERROR_HORIZON,
    Round,
    Trial,
    finished,
    read_history,
    settled,
    whole_returns,
    write_history,
)
from learned_envs.simulation import Simulation
from learned_envs.state import State

TRIAL_FRACTION = 0.25
"""Share of a round's real steps in which the agent is tried as it is. It is more if a whole episode
needs more, up to `LARGEST_TRIAL`."""

LARGEST_TRIAL = 0.75
"""The most that a trial may take of a round's real steps."""

STARTS = 20_000
"""The most recorded states that an agent's episodes inside may begin from."""


class Improve(Protocol):
    """Trains an agent inside a model; [`Improver`][learned_envs.sb3.Improver] is one."""

    def __call__(
        self,
        checkpoint: Path,
        starts: State,
        previous: Path | None,
        out: Path,
        seed: int,
        on_progress: Callable[[int], None] | None = None,
    ) -> Policy:
        """Train an agent and leave it in `out`; if a whole one is there already, return that.

        Args:
            checkpoint: the model's.
            starts: recorded states, q (n, nq) and v (n, nv), that its episodes may begin from.
            previous: the folder of the last round's agent; None to begin with a new one.
            out: the folder that the agent is left in. What lies there, and whether reading it can
                run code, is up to who trains it.
            seed: determines the training.
            on_progress: called with the steps that the agent has taken so far.

        Returns:
            The agent, which acts deterministically on observations (n) or (batch, n).
        """


@dataclass(frozen=True)
class Rounds:
    """A fit by rounds, in a folder that [`fit`][learned_envs.fit.fit] has made.

    Attributes:
        task: name of the task.
        out: the fit's folder.
        config: how to fit.
        improve: what trains the agent.
        device: where the model is trained.
        observer: is told how it goes.
        start: a checkpoint that the first round trains on; None for a new model.
        data: what was recorded before; None to begin with random actions.
    """

    task: str
    out: Path
    config: FitConfig
    improve: Improve
    device: torch.device
    observer: Observer
    start: str | None = None
    data: Dataset | None = None

    def run(self) -> Simulation:
        """Run the rounds that are left, and keep the best one's model and agent in the folder.

        The best round is the one whose agent returned most outside, in its trial.
        """
        plan, history = self.config.rounds, read_history(self.out)
        while len(history) < plan.count and not finished(history, plan.agreement):
            anew = settled(history, plan.agreement)
            history.append(self._round(len(history) + 1, anew))
            write_history(self.out, history)
            self._log(history[-1])
            self.observer.improved(history[-1])
        best = max(history, key=lambda round: (round.outside, round.number))
        dynamics, card = load_checkpoint(self._folder(best.number), self.device, self.task)
        entries = Entries(
            rounds=tuple(asdict(round) for round in history),
            chosen=f"round {best.number}, by the return outside on the fit's own real steps",
            real_steps=history[-1].real_steps,
        )
        save_checkpoint(self.out / FILE_NAME, dynamics, {**card, **entries.to_dict()})
        agent = self.out / AGENT_FOLDER
        with writing(agent):
            shutil.copytree(self._folder(best.number) / AGENT_FOLDER, agent, dirs_exist_ok=True)
        return Simulation.load(self.out, self.device)

    def _round(self, number: int, anew: bool) -> Round:
        """Fit, train the agent, try it, and record around what it does for the next round."""
        begin = time.monotonic()
        plan, seed = self.config.rounds, self.config.training.seed + number
        folder = self._folder(number)
        with writing(folder):
            folder.mkdir(exist_ok=True)
        if number == 1:
            self._begin()
        simulation = self._fit(number)
        before = None if anew or number == 1 else self._folder(number - 1) / AGENT_FOLDER
        policy = self.improve(
            folder,
            self._starts(seed),
            before,
            folder / AGENT_FOLDER,
            seed,
            lambda done: self.observer.learned(done, plan.agent_steps),
        )
        name = f"trial-{number}"
        dataset = self._collect(self._trial_steps, number, drivers={name: Trial(policy)})
        actor = f"{DRIVER}{name}"
        tried = dataset.load(observations=False, actor=actor)
        returns = whole_returns(tried, actor, self._limit)
        if number < plan.count:
            steps = plan.steps_per_round - self._trial_steps
            self._collect(steps, number, policies={f"round-{number}": policy})
        errors = read_card(folder).held_out
        assert errors is not None
        inside = rewards_inside(policy, simulation, EPISODES_INSIDE, self._limit, seed)
        at = sum(horizon <= ERROR_HORIZON for horizon in errors.horizons) - 1
        return Round(
            number,
            self._first_steps + self._trial_steps + (number - 1) * plan.steps_per_round,
            errors.curve("model").median[at],
            float(inside.sum(1).mean()),
            float(np.mean(returns)),
            len(returns),
            round((time.monotonic() - begin) / 60, 2),
            anew,
        )

    def _begin(self) -> None:
        """Record what the first round is fitted to, or copy what was recorded before."""
        path = self.out / DATA_FOLDER
        if self.data is None:
            self._collect(self._first_steps, 1, random=True)
        elif not (path / MANIFEST).exists():
            self.data.copy(path)

    def _fit(self, number: int) -> Simulation:
        folder = self._folder(number)
        if (folder / FILE_NAME).exists() and read_card(folder).held_out is not None:
            return Simulation.load(folder, self.device)
        plan = self.config.rounds
        training = replace(self.config.training, updates=plan.updates_per_round)
        return fit_model(
            self.task,
            Dataset.open(self.out / DATA_FOLDER, self.task),
            folder,
            replace(self.config, training=training),
            self.device,
            self.observer,
            start=self.start if number == 1 else self._folder(number - 1),
        )

    def _collect(
        self,
        steps: int,
        number: int,
        *,
        policies: Mapping[str, Policy] | None = None,
        drivers: Mapping[str, Driver] | None = None,
        random: bool = False,
    ) -> Dataset:
        path, plan = self.out / DATA_FOLDER, self.config.rounds
        # The trial comes last in a round's steps; the rest was recorded in the round before.
        before = number * plan.steps_per_round - (self._trial_steps if drivers else 0)
        before, total = 0 if random else before, plan.count * plan.steps_per_round
        return collect(
            self.task,
            steps,
            Dataset.open(path, self.task) if (path / MANIFEST).exists() else path,
            policies=policies,
            drivers=drivers,
            random=random,
            seed=self.config.training.seed + number,
            # A round is too short for other processes to pay.
            workers=1,
            on_progress=lambda done: self.observer.collected(before + done, total),
        )

    def _starts(self, seed: int) -> State:
        """Draw recorded states for the agent's episodes to begin from."""
        dataset = Dataset.open(self.out / DATA_FOLDER, self.task)
        states = Trajectories.of(dataset.load(observations=False), dataset.spec).states()
        rows = np.random.default_rng(seed).integers(len(states.q), size=STARTS)
        return states[torch.from_numpy(rows)]

    @property
    def _first_steps(self) -> int:
        if self.data is not None:
            return self.data.steps
        return self.config.rounds.steps_per_round - self._trial_steps

    @property
    def _trial_steps(self) -> int:
        steps = self.config.rounds.steps_per_round
        return min(int(LARGEST_TRIAL * steps), max(int(TRIAL_FRACTION * steps), self._limit))

    @property
    def _limit(self) -> int:
        """Steps after which the task's episodes are truncated."""
        return episode_limit(self.task)

    def _log(self, round: Round) -> None:
        """Log the figures over the real steps, for TensorBoard."""
        with curves(self.out) as log:
            for name in ("error", "inside", "outside", "gap"):
                log(f"rounds/{name}", getattr(round, name), round.real_steps)

    def _folder(self, number: int) -> Path:
        return self.out / round_folder(number)
