"""Training an ensemble on its own multi-step predictions; a killed training can be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from learned_envs import argument
from learned_envs.card import Checked, Entries
from learned_envs.checkpoint import load_checkpoint, non_finite, save_checkpoint
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics.ensemble import Ensemble
from learned_envs.errors import DatasetError, ShapeError, TrainingError
from learned_envs.evaluation.evaluation import Yardstick
from learned_envs.fit.config import TrainingConfig
from learned_envs.fit.curves import curves
from learned_envs.fit.folder import FILE_NAME
from learned_envs.fit.loss import RolloutLoss
from learned_envs.fit.progress import restore_progress, save_progress

SAVE_SECONDS = 45.0
"""How often a training is saved."""

CHECKED_WINDOWS = 1000
"""Held-out windows that each check rolls the model out along."""

CHECKED_HORIZONS = (1, 10, 25, 50)
"""Steps at which a check measures errors."""

NORMALISED_STEPS = 200_000
"""The most transitions that normalisation constants are computed from."""


@dataclass(frozen=True)
class Progress:
    """How far a training is, as its observer sees it.

    Attributes:
        update: gradient steps so far.
        loss: of the last one.
        score: of the last check on held-out episodes (lower is better); None before the first.
    """

    update: int
    loss: float
    score: float | None


def train(
    dynamics: Ensemble,
    data: Trajectories,
    held_out: Trajectories,
    config: TrainingConfig,
    out: str | Path,
    card: Mapping[str, Any],
    *,
    normalise: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Ensemble:
    """Train `dynamics` and leave the best weights, with `card`, in `out`.

    If `out` holds an unfinished training, this goes on from there, and ends with the weights
    that an uninterrupted one would have ended with. Ctrl-C saves before it is passed on.

    Args:
        dynamics: the model, on the device that training is to run on.
        data: episodes to learn from, on that device.
        held_out: episodes that decide which weights are best and when to stop.
        config: how to train.
        out: an existing folder.
        card: what the checkpoint says of itself; must name the `task`.
        normalise: set the normalisation constants from `data`; False keeps those of a model
            that is trained on.
        on_progress: called after every update.

    Returns:
        The best model.

    Raises:
        OutputError: if `out` cannot be written to; what was saved before stays.
        CheckpointError: if what is to be resumed is broken.
        TrainingError: if a loss, a gradient, a score or a weight is not finite. Weights are saved
            only while all of them are.
        DatasetError: if no episode is as long as the longest horizon, if nothing moves in the
            held-out ones, or if the data is too large to be normalised.
        ShapeError: if the data has other sensors than the model.
    """
    argument.instance("dynamics", dynamics, Ensemble)
    argument.instance("config", config, TrainingConfig)
    argument.instance("card", card, Mapping)
    for name, episodes in (("data", data), ("held_out", held_out)):
        argument.instance(name, episodes, Trajectories)
        episodes.expect(dynamics.spec, dynamics.q_low.device)
    training = Training(dynamics, data, held_out, config, Path(out), card, normalise)
    with curves(Path(out), training.update + 1) as log:
        training.save()
        saved = time.monotonic()
        try:
            while not training.finished:
                loss = training.advance()
                if training.update % 100 == 0:
                    log("loss/train", loss, training.update)
                if training.update % config.check_every == 0 or training.finished:
                    for name, value in training.check().items():
                        log(name, value, training.update)
                if time.monotonic() - saved > SAVE_SECONDS:
                    training.save()
                    saved = time.monotonic()
                if on_progress is not None:
                    on_progress(Progress(training.update, loss, training.score))
        finally:
            if not training.torn:
                training.save()
    return load_checkpoint(Path(out) / FILE_NAME, training.device)[0]


class Training:
    """A training between two updates: what `train` advances, checks and saves.

    Batches are drawn from a generator that is seeded by the update's number. So a resumed
    training sees what an uninterrupted one would have seen.

    Attributes:
        counters: how far it is.
        loss: what it makes small.
        torn: whether an exception, such as Ctrl-C's, left an update half done, or a number is
            not finite. Then it must not be saved.
    """

    def __init__(
        self,
        dynamics: Ensemble,
        data: Trajectories,
        held_out: Trajectories,
        config: TrainingConfig,
        out: Path,
        card: Mapping[str, Any],
        normalise: bool,
    ) -> None:
        config.check()
        self.dynamics = dynamics.train().requires_grad_(True)
        self.device = dynamics.q_low.device
        self.config, self.card = config, card
        self.score: float | None = None
        self.torn = False
        self._data, self._held_out, self._out = data, held_out, out
        self._generator = torch.Generator(self.device)
        # Too short episodes are found now, and not when the last stage of the training begins.
        data.draw((1,), max(config.horizons), self._seeded(-1))
        groups: dict[float, list[nn.Parameter]] = {}
        for parameter, prior in dynamics.priors():
            groups.setdefault(prior * config.weight_decay, []).append(parameter)
        self._optimizer = torch.optim.AdamW(
            [{"params": group, "weight_decay": decay} for decay, group in groups.items()],
            config.learning_rate,
        )
        spec = dynamics.spec
        first = data.window(data.draw((NORMALISED_STEPS,), 1, self._seeded(-1)), 1)
        if first.readings.keys() != {sensor.name for sensor in dynamics.sensors}:
            raise ShapeError(
                f"Got data with readings of {sorted(first.readings)}, expected those of the "
                f"model's {[sensor.name for sensor in dynamics.sensors]}. Make the data by "
                "Trajectories.of(..., sensors=task.sensors) and the model with task.sensors."
            )
        if normalise:
            action, reached = first.actions[:, 0], first.after(1)
            dynamics.normalise(first.start, action, reached)
            if dynamics.head is not None:
                readings = {name: read[:, 0] for name, read in first.readings.items()}
                # The head sees leaves as the motion's model leaves them.
                reached = first.told(reached, 0, dynamics.computes)
                dynamics.head.normalise(reached, action, readings)
        if bad := non_finite(dynamics.state_dict()):
            raise DatasetError(
                f"The data's spread or range is not finite in float32, in which models are "
                f"trained ({', '.join(bad)}). Look for outliers in it, and leave them out."
            )
        self._yardstick = Yardstick.of(held_out, dynamics.kinematics, spec.cyclic)
        self.loss = RolloutLoss(
            dynamics, first.start, first.after(1), config.first_step, config.compile
        )
        self.counters = restore_progress(out, dynamics, self._optimizer)

    @property
    def update(self) -> int:
        """Gradient steps so far."""
        return self.counters.update

    @property
    def finished(self) -> bool:
        """Whether all updates are done, or the held-out error has not fallen for long."""
        counters, config = self.counters, self.config
        return counters.update >= config.updates or counters.stale >= config.patience

    def advance(self) -> float:
        """Take one gradient step and return its loss."""
        config = self.config
        stage = self.update * len(config.horizons) // config.updates
        horizon = config.horizons[stage]
        generator = self._seeded(self.update)
        rows = self._data.draw((config.members, config.batch_size), horizon, generator)
        loss = self.loss(self._data.window(rows, horizon))
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * self._schedule()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        # Clipped apart, so that the learned motion is the same with sensors and without.
        norms = [
            torch.nn.utils.clip_grad_norm_(part.parameters(), config.gradient_norm)
            for part in (self.dynamics.model, self.dynamics.head)
            if part is not None
        ]
        # Looked at together and before the step: one wait for a GPU, and no weight is spoilt.
        value, *sizes = torch.stack([loss.detach(), *norms]).tolist()
        self._expect_finite(value, "the loss")
        self._expect_finite(max(sizes, key=abs), "a gradient's norm")
        self.torn = True
        self._optimizer.step()
        self.counters.update += 1
        self.torn = False
        return float(value)

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """Roll the model out along held-out windows, and save it if it is the best so far.

        The score is the mean over horizons of the logarithm of the median error.
        """
        self._expect_finite_weights()
        horizons = self._held_out.usual(CHECKED_HORIZONS)
        rows = self._held_out.draw((CHECKED_WINDOWS,), horizons[-1], self._seeded(-2))
        window = self._held_out.window(rows, horizons[-1])
        state, errors = window.start, {}
        lost = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
        for t in range(window.length):
            reached = self.dynamics.step(state, window.actions[:, t]).state
            # What overflowed is infinitely wrong: its last finite state would score like hold.
            lost |= ~torch.cat([reached.q, reached.v], -1).isfinite().all(-1)
            state = reached.where(self.dynamics.inside(reached), state)
            state = window.told(state, t + 1, self.dynamics.computes)
            if t + 1 in horizons:
                error = self._yardstick.error(state, window.after(t + 1))
                error = error.where(~lost, math.inf).median()
                errors[f"held_out/median_error_{t + 1}"] = error.item()
        score = sum(math.log(max(error, 1e-12)) for error in errors.values()) / len(errors)
        self._expect_finite(score, "the score on held-out episodes")
        self.score = score
        if self.counters.judge(score):
            entries = Entries(training=Checked(self.update, score))
            card = {**self.card, **entries.to_dict()}
            save_checkpoint(self._out / FILE_NAME, self.dynamics, card)
        return {**errors, "held_out/score": score}

    def save(self) -> None:
        """Write all that a resumed training needs, or nothing.

        Raises:
            OutputError: if it cannot be written.
            TrainingError: if a weight is not finite.
        """
        self._expect_finite_weights()
        save_progress(self._out, self.dynamics, self._optimizer, self.counters)

    def _expect_finite(self, value: float, name: str) -> None:
        """Stop the training if a number of it is not finite."""
        if math.isfinite(value):
            return
        self.torn = True
        kept = "No weights were saved."
        if self.counters.best is not None:
            kept = f"The best weights before that are in {self._out / FILE_NAME}."
        raise TrainingError(
            f"The training diverged: {name} is {value} after {self.update:,} updates, expected a "
            f"finite number. Lower --learning-rate, which is {self.config.learning_rate:g}, or "
            f"look for outliers in the data, and fit into another folder. {kept}"
        )

    def _expect_finite_weights(self) -> None:
        if bad := non_finite(self.dynamics.state_dict()):
            self._expect_finite(math.nan, f"the weight {bad[0]}")

    def _schedule(self) -> float:
        done = self.update / self.config.updates
        warm_up = min(1.0, (self.update + 1) / 200)
        return warm_up * (0.003 + 0.997 * 0.5 * (1 + math.cos(math.pi * done)))

    def _seeded(self, number: int) -> torch.Generator:
        return self._generator.manual_seed((self.config.seed << 32) + number + 16)
