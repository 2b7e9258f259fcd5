"""Whether recorded data is the reference's: steps of it, taken again, end where it says.

What a fit learns from is (q, v, action, dt, system). So a sample of the steps is taken again in the
reference environment, by the actions as the fit sees them, and what comes out is compared with
what was recorded: the motion, the observations, the rewards and the ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs import registry
from learned_envs.collect.asking import ask
from learned_envs.collect.guess import exact_guess, guess
from learned_envs.collect.original import reference
from learned_envs.collect.retaken import ROUGH, Retaken
from learned_envs.data.recording import Array, Recording
from learned_envs.data.source import ImportedDataset, Source
from learned_envs.data.system import expect_system
from learned_envs.errors import DatasetError, LearnedEnvsError, SystemSpecError
from learned_envs.systems.moment import Subject
from learned_envs.systems.reference import warnings_swallowed
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import DISCOVERED

SAMPLE = 128
"""Steps that are taken again, of all actors together."""
LEAST = 16
"""Steps of each actor, at least, if there are so many."""


def check_source(source: Source, task: str) -> None:
    """Check that recorded episodes are of the reference environment of a task.

    If that cannot be made here, a warning says that nothing was checked.

    A warning tells of rewards and ends that are others than the reference's. Models do not learn
    them.

    Args:
        source: the episodes.
        task: name of the task.

    Raises:
        DatasetError: if they are not; it says what differs, by how much, and what may be why.
        SystemSpecError: if the reference environment is not what its spec says.
    """
    parameters = source.parameters if isinstance(source, ImportedDataset) else {}
    check_recording(source.load(), source.spec, task, str(source.path), parameters)


def check_recording(
    recording: Recording,
    spec: SystemSpec,
    task: str,
    where: str,
    parameters: Mapping[str, Any] = MappingProxyType({}),
    same: bool = False,
) -> None:
    """Check a recording as `check_source` does.

    Args:
        recording: the episodes.
        spec: what it says of its system.
        task: name of the task.
        where: how messages name it.
        parameters: of the environment that was recorded, beside the task's own.
        same: whether it was recorded here, by this version of MuJoCo.
    """
    try:
        if registry.task_entry(registry.task_of(task)).measured:
            return
        subject = reference(task, parameters, spec)
    except (LearnedEnvsError, gym.error.Error, OSError, ImportError, ValueError) as error:
        cause = error.__cause__ or error
        if isinstance(error, SystemSpecError) or isinstance(cause, LearnedEnvsError):
            raise
        # What makes an environment of one's own may be missing here, and its entry with it.
        name = registry.reference_id(task) if task in registry.TASKS else task
        warnings.warn(
            f"{where} was not checked, because {name} cannot be asked ({cause}). "
            "Whether the recorded actions moved the recorded system is taken on trust.",
            stacklevel=2,
        )
        return
    expect_system(spec, subject.spec, where)
    with warnings_swallowed("unstable"):
        Agreement(recording, subject, task, where, same).check()


@dataclass(frozen=True)
class Agreement:
    """Recorded episodes beside the environment that they should be of.

    Attributes:
        recording: the episodes.
        subject: the reference environment.
        task: name of the task.
        where: how messages name the episodes.
        same: whether they were recorded by this version of MuJoCo.
    """

    recording: Recording
    subject: Subject
    task: str
    where: str
    same: bool = False

    def check(self) -> None:
        """Take a sample of the steps again, and compare.

        Raises:
            DatasetError: if they end elsewhere.
        """
        for actor in sorted(set(self.recording.actors)):
            rows = self._sample(actor)
            taken = Retaken.of(self.recording, rows, self.subject)
            taken = replace(taken, same=self.same)
            self._motion(actor, rows, taken)
            self._observations(actor, rows, taken)
            self._rewards(actor, rows, taken)
            self._ends(actor, rows, taken)

    def _sample(self, actor: str) -> Array:
        """Return rows that steps of an actor begin at, spread evenly over its episodes."""
        recording = self.recording
        count = max(LEAST, SAMPLE // len(set(recording.actors)))
        episodes = [i for i, who in enumerate(recording.actors) if who == actor]
        starts, lengths = recording.offsets[episodes], recording.lengths[episodes]
        # The middle of equal shares of all steps, and the last steps of a few episodes.
        places = (np.arange(count) + 0.5) * lengths.sum() / count
        within = np.searchsorted(np.cumsum(lengths), places, side="right")
        spread = starts[within] + (places - (np.cumsum(lengths) - lengths)[within]).astype(int)
        last = (starts + lengths - 1)[:: max(1, len(episodes) // LEAST)][:LEAST]
        return np.unique(np.concatenate([spread, last]))

    def _motion(self, actor: str, rows: Array, taken: Retaken) -> None:
        off = taken.off
        if off.mean() <= taken.allowed:
            # Of another version of MuJoCo, or wrong by as little as versions differ.
            if not taken.exact and (words := exact_guess(self.recording, rows, self.subject)):
                raise DatasetError(f"{self._who(actor)}: {words}")
            return
        spec, nv = self.subject.spec, self.subject.spec.nv
        worst = np.median(taken.errors[off], axis=0).reshape(2, nv).max(0)
        order = np.argsort(-worst)[:3]
        named = ", ".join(
            next(
                f"{j.name!r}"
                for j in spec.joints
                if j.v <= index < j.v + (6 if j.kind == "free" else 1)
            )
            for index in order
            if worst[index] > 0
        )
        raise DatasetError(
            f"{self._who(actor)}: taken again in {spec.reference_id}, {off.sum()} of {len(rows)} "
            f"steps end elsewhere, {named} by {worst[order[0]]:.2g} of the "
            f"spread of a step's change. {guess(self.recording, rows[off], self.subject)}"
        )

    def _observations(self, actor: str, rows: Array, taken: Retaken) -> None:
        recorded = self.recording.observations[rows + 1]
        if recorded.shape != taken.observations.shape:
            raise DatasetError(
                f"{self._who(actor)}: observations have {recorded.shape[1]} numbers, those of "
                f"{self.subject.spec.reference_id} have {taken.observations.shape[1]}. Record it "
                "with the environment's own observations."
            )
        off = taken.differs(recorded, taken.observations)
        off[:, ask(self.task, self.subject.spec).task.sensed] = False
        wrong = np.flatnonzero(off.mean(0) > taken.allowed)
        if len(wrong):
            away = np.median(np.abs(recorded - taken.observations)[:, wrong[0]])
            raise DatasetError(
                f"{self._who(actor)}: observations are not those of the recorded qpos and qvel, in "
                f"columns {', '.join(map(str, wrong[:6]))}; column {wrong[0]} is {away:.2g} away "
                "in the median. Was it recorded above a wrapper that changes observations, or are "
                "qpos and qvel of another step?"
            )

    def _rewards(self, actor: str, rows: Array, taken: Retaken) -> None:
        recorded = self.recording.rewards[rows]
        # Traced rules were held against the environment, and a reward may be of arrays that a step
        # leaves behind the state that it is taken again from.
        traced = registry.task_entry(self.task).spec == DISCOVERED
        off = taken.differs(recorded, taken.rewards, ROUGH if traced else 0.0)
        if off.mean() > taken.allowed:
            row = int(np.flatnonzero(off)[0])
            self._warn(
                actor,
                f"{off.sum()} of {len(rows)} rewards, such as {recorded[row]:.4g} where it pays "
                f"{taken.rewards[row]:.4g}",
            )

    def _ends(self, actor: str, rows: Array, taken: Retaken) -> None:
        recording = self.recording
        ends = recording.offsets + recording.lengths - 1
        ended = np.isin(rows, ends[recording.terminated])
        wrong = ended & ~taken.terminated
        if ended.any() and wrong.sum() > taken.allowed * ended.sum():
            self._warn(actor, f"{wrong.sum()} of {ended.sum()} ends of episodes")

    def _warn(self, actor: str, what: str) -> None:
        warnings.warn(
            f"{self._who(actor)}: {what}, are not those of {self.subject.spec.reference_id}. "
            "Models do not learn them: inside, the task's own count. A wrapper, or other "
            "parameters of the environment, may have changed them.",
            stacklevel=2,
        )

    def _who(self, actor: str) -> str:
        return f"{self.where}, steps of {actor!r}"
