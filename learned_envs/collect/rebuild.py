"""Full states made of what was observed, where observations hold all but the place on the ground.

The task says which numbers of the state an observation holds, and which of them it clips. How far
the system moved along the ground is read from the infos, or else from the reward, in which it is
linear. What neither holds, such as the y of a swimmer, real MuJoCo says, stepped from the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from learned_envs import registry
from learned_envs.collect.layout import Layout
from learned_envs.data.observed import Observed
from learned_envs.data.recording import Array, Episode
from learned_envs.errors import DatasetError, ParameterError
from learned_envs.state import State
from learned_envs.systems.reference import make_reference, replay
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Task, Transition

LEAST_STEPS = 100
"""Fewer steps do not say whether displacements fit to velocities."""

SLOPES = (0.75, 1.35)
"""How far the system moves for each metre, or radian, that its velocities say: 0.99 to 1.21 over
11,000 steps of the package's tasks, and twice or half as far if a step is not as long."""

OFFSET = 0.2
"""Metres a second by which the median of displacements may differ from that of velocities. It is
below 0.003 in those steps, and 1 if a reward is paid that the task does not know."""

STRAY = 1e-3
"""How far, in the median, real MuJoCo may go elsewhere in a step than what was recorded. Versions
of it differ by less, another system by more."""


@dataclass(frozen=True)
class Piece:
    """A stretch of an episode without clipped numbers.

    Attributes:
        episode: its states, with zeros for positions that observations lack.
        moved: (T, lacking) how far each of those went in each step; NaN where it is not known.
        sources: where each of those is known from.
    """

    episode: Episode
    moved: Array
    sources: tuple[str, ...]


def rebuild_states(
    task_name: str, spec: SystemSpec, parameters: Mapping[str, Any], episodes: Sequence[Observed]
) -> tuple[list[Episode], str]:
    """Rebuild the states of episodes of a task's reference environment.

    It is a [`Rebuild`][learned_envs.data.observed.Rebuild]. Episodes start at the origin of the
    ground. States of which a number was clipped are left out, and episodes are cut there.

    Args:
        task_name: name of the task.
        spec: the system.
        parameters: those of the task that the environment was made with.
        episodes: what was observed.

    Returns:
        The episodes, and a sentence that says what was rebuilt and what was left out.

    Raises:
        DatasetError: if observations do not hold enough, have another size than the task's, or
            if rewards or velocities do not fit to how the system moved.
    """
    kind = registry.task_class(task_name)
    try:
        task = kind.create(spec, parameters)
    except (ParameterError, TypeError) as error:
        raise DatasetError(f"{error}") from error
    layout = Layout.of(task)
    pieces = [piece for episode in episodes for piece in _pieces(episode, task, layout)]
    if not pieces:
        raise DatasetError("no two states in a row are without a clipped number. Record others.")
    if any(np.isnan(piece.moved).any() for piece in pieces):
        pieces = _stepped(task_name, pieces, layout)
    _expect_motion(pieces, spec, layout)
    steps = sum(len(episode.rewards) for episode in episodes)
    left = steps - sum(len(piece.episode.rewards) for piece in pieces)
    fate = f"rebuilt; {left:,} of {steps:,} steps left out" if left else "rebuilt"
    rebuilt = [_moved(piece, layout, fate) for piece in pieces]
    if task.observation_space != (usual := kind.create(spec, {})).observation_space:
        rebuilt = [replace(each, observations=_observations(usual, each)) for each in rebuilt]
    sources = zip(layout.names, zip(*(piece.sources for piece in pieces), strict=True), strict=True)
    ways = [f"how far {name} moved from {' and '.join(sorted({*s}))}" for name, s in sources]
    note = f"q and v were rebuilt from the observations{''.join(', ' + way for way in ways)}."
    if left:
        note += (
            f" {left:,} of {steps:,} steps ({left / steps:.1%}) were left out, because an "
            "observation clips a velocity there."
        )
    return rebuilt, note


def _pieces(observed: Observed, task: Task, layout: Layout) -> Iterator[Piece]:
    """Cut an episode where a number was clipped.

    Raises:
        DatasetError: if its arrays do not have the task's sizes.
    """
    steps = len(observed.rewards)
    expected = ((steps + 1, layout.width), (steps, task.spec.nu), (steps,))
    got = (observed.observations.shape, observed.actions.shape, observed.rewards.shape)
    if got != expected or not steps:
        raise DatasetError(
            f"{observed.where} has observations, actions and rewards of the shapes {got}, expected "
            f"{expected} and a step at least."
        )
    q, v = layout.state(observed.observations)
    episode = Episode(
        qpos=q,
        qvel=v,
        observations=np.asarray(observed.observations, dtype=np.float64),
        actions=np.asarray(observed.actions, dtype=np.float32),
        rewards=np.asarray(observed.rewards, dtype=np.float64),
        terminated=observed.terminated,
        truncated=observed.truncated,
        seed=observed.seed,
        actor=observed.actor,
    )
    moved = np.full((steps, len(layout.lacking)), np.nan)
    sources = ["" for _ in layout.lacking]
    _read_infos(observed, task, layout, moved, sources)
    _read_rewards(episode, task, layout, moved, sources)
    whole = np.concatenate(([False], layout.whole(observed.observations), [False]))
    bounds = np.flatnonzero(whole[1:] != whole[:-1])
    for start, end in zip(bounds[::2], bounds[1::2] - 1, strict=True):
        if start < end:
            yield Piece(_cut(episode, start, end), moved[start:end], tuple(sources))


def _cut(episode: Episode, start: int, end: int) -> Episode:
    """Return the part of an episode from one state to another."""
    last = bool(end == len(episode.rewards))
    return replace(
        episode,
        qpos=episode.qpos[start : end + 1],
        qvel=episode.qvel[start : end + 1],
        observations=episode.observations[start : end + 1],
        actions=episode.actions[start:end],
        rewards=episode.rewards[start:end],
        terminated=episode.terminated and last,
        truncated=episode.truncated or not last,
        seed=-1 if start else episode.seed,
    )


def _transition(episode: Episode, task: Task, displacement: Array) -> Transition:
    q, v = torch.tensor(episode.qpos), torch.tensor(episode.qvel)
    return Transition(
        State(q[:-1], v[:-1]),
        # In the precision in which the environment was given them and computed their cost.
        torch.tensor(episode.actions),
        State(q[1:], v[1:]),
        torch.tensor(displacement),
    )


def _read_infos(
    observed: Observed, task: Task, layout: Layout, moved: Array, sources: list[str]
) -> None:
    """Read displacements from infos that are velocities over a step, such as x_velocity."""
    spec, count = task.spec, len(observed.rewards)
    probe = np.random.default_rng(0).uniform(-1, 1, (4, spec.nv))
    state = State(torch.zeros(4, spec.nq), torch.zeros(4, spec.nv))
    details = task.details(
        Transition(state, torch.zeros(4, spec.nu), state, torch.tensor(probe * spec.dt))
    )
    for place, (_, index) in enumerate(layout.lacking):
        for name, told in details.items():
            values = np.ravel(np.asarray(observed.infos.get(name, ())))
            if np.allclose(told, probe[:, index]) and len(values) in (count, count + 1):
                # At a reset, there is none, or a placeholder.
                moved[:, place] = values[-count:].astype(np.float64) * spec.dt
                sources[place] = f"the infos' {name}"


def _read_rewards(
    episode: Episode, task: Task, layout: Layout, moved: Array, sources: list[str]
) -> None:
    """Read the one displacement that a reward is linear in, if it is not known yet."""
    nothing = np.zeros((len(episode.rewards), task.spec.nv))
    for joint in task.spec.joints:
        if joint.kind != "free":
            nothing[:, joint.v] = np.diff(episode.qpos[:, joint.q])
    base = task.reward(_transition(episode, task, nothing))

    def paid_for(index: int, metres: float) -> Array:
        there = nothing.copy()
        there[:, index] += metres
        return np.asarray(task.reward(_transition(episode, task, there)) - base)

    slopes = [paid_for(index, 1.0) for _, index in layout.lacking]
    paid = [place for place, slope in enumerate(slopes) if slope.any()]
    if len(paid) == 1 and np.isnan(moved[:, paid[0]]).any():
        slope = slopes[paid[0]]
        if slope.all() and np.allclose(paid_for(layout.lacking[paid[0]][1], 2.0), 2 * slope):
            moved[:, paid[0]] = (episode.rewards - np.asarray(base)) / slope
            sources[paid[0]] = "the rewards"


def _stepped(task_name: str, pieces: list[Piece], layout: Layout) -> list[Piece]:
    """Step real MuJoCo from each state, and see how far it goes where that is not known.

    Raises:
        DatasetError: if it goes elsewhere than what was recorded.
    """
    stepped, strays = [], []
    places = [q for q, _ in layout.lacking]
    seen = np.flatnonzero(layout.q >= 0)
    with closing(make_reference(task_name)) as env:
        for piece in pieces:
            episode, reached = piece.episode, []
            for step, action in enumerate(episode.actions):
                q, v = replay(env, episode.qpos[step], episode.qvel[step], action[None])
                strays.append(np.abs(q[1] - episode.qpos[step + 1])[seen].max(initial=0.0))
                strays.append(np.abs(v[1] - episode.qvel[step + 1]).max())
                reached.append(q[1, places])
            moved = np.where(np.isnan(piece.moved), np.array(reached), piece.moved)
            sources = tuple(source or "MuJoCo's steps" for source in piece.sources)
            stepped.append(replace(piece, moved=moved, sources=sources))
    if (stray := float(np.median(strays))) > STRAY:
        raise DatasetError(
            f"real MuJoCo, stepped from its states, goes elsewhere than was recorded, by "
            f"{stray:.2g} in the median. Give a dataset of the same system."
        )
    return stepped


def _expect_motion(pieces: Sequence[Piece], spec: SystemSpec, layout: Layout) -> None:
    """Check that positions move as velocities say.

    Raises:
        DatasetError: if they do not.
    """
    v = np.concatenate([(p.episode.qvel[:-1] + p.episode.qvel[1:]) / 2 for p in pieces])
    moved = np.zeros_like(v)
    for joint in spec.joints:
        if joint.kind != "free":
            each = [np.diff(piece.episode.qpos[:, joint.q]) for piece in pieces]
            moved[:, joint.v] = np.concatenate(each)
    for place, (_, index) in enumerate(layout.lacking):
        moved[:, index] = np.concatenate([piece.moved[:, place] for piece in pieces])
    told = spec.dt * v
    squares = (told**2).sum(0)
    lines = [j.v for j in spec.joints if j.kind != "free" and squares[j.v] > 0]
    if len(told) < LEAST_STEPS or not lines:
        return
    slopes = (moved * told).sum(0)[lines] / squares[lines]
    if not SLOPES[0] < np.median(slopes) < SLOPES[1]:
        raise DatasetError(
            f"its positions move {np.median(slopes):.2f} times as far as its velocities say in "
            f"{spec.dt} s. Its observations are not the system's, or its steps are not as long."
        )
    for name, (_, index) in zip(layout.names, layout.lacking, strict=True):
        offset = float(np.median(moved[:, index] - told[:, index])) / spec.dt
        slope = float(slopes[lines.index(index)]) if index in lines else 1.0
        if abs(offset) > OFFSET or not SLOPES[0] < slope < SLOPES[1]:
            raise DatasetError(
                f"{name} would have moved {slope:.2f} times as far as its velocity says, and "
                f"{offset:.2g} m/s more. Its rewards are not those of {spec.reference_id}."
            )


def _moved(piece: Piece, layout: Layout, fate: str) -> Episode:
    """Lay the displacements of a piece end to end, from the origin, and note whose it was."""
    q = piece.episode.qpos.copy()
    for place, (index, _) in enumerate(layout.lacking):
        q[1:, index] = np.cumsum(piece.moved[:, place])
    return replace(piece.episode, qpos=q, actor=f"{piece.episode.actor} ({fate})")


def _observations(task: Task, episode: Episode) -> Array:
    """Return what the task shows if its environment is made without parameters."""
    return np.asarray(
        task.observation(State(torch.tensor(episode.qpos), torch.tensor(episode.qvel)))
    )
