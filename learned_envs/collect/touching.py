"""Which shapes of a system met in recorded data, and its geometry as models see it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import gymnasium as gym
import numpy as np

from learned_envs.collect.original import reference
from learned_envs.data.recording import Recording
from learned_envs.errors import LearnedEnvsError
from learned_envs.systems.describe_geoms import geoms_of
from learned_envs.systems.geom import CONVEX, Pair
from learned_envs.systems.moment import Subject
from learned_envs.systems.spec import SystemSpec

SAMPLE = 20_000
"""States in which contacts are looked for, at most: some seconds."""

RARE = 1e-3
"""Share of the states: what meets in fewer is left out."""


def seen_geometry(
    spec: SystemSpec, task: str, recording: Recording, most: int
) -> tuple[SystemSpec, tuple[str, ...]]:
    """Return a system's spec with the pairs of shapes that met in recorded states.

    The real environment is put into a sample of these states, and MuJoCo says what meets there.
    What meets within a step and has parted at its end is seen where it lasts in another step.

    Args:
        spec: the system.
        task: name of the task.
        recording: the episodes.
        most: how many pairs, at most: those that met most often.

    Returns:
        The spec, and notes on what models of it will not see, a sentence each.
    """
    try:
        subject = reference(task, {}, spec)
    except (LearnedEnvsError, gym.error.Error, OSError, ImportError, ValueError) as error:
        return spec, (f"Nobody asked which shapes meet, for {task} cannot be made here: {error}",)
    # Data of earlier versions has no words for some shapes.
    described = zip(spec.geoms, geoms_of(subject.model), strict=True)
    spec = replace(spec, geoms=tuple(new if old.kind == "other" else old for old, new in described))
    found, sampled = touching_pairs(subject, spec, recording)
    ordered = [pair for pair, count in found.most_common() if count >= RARE * sampled]
    kept, left = ordered[:most], ordered[most:]
    notes = [
        f"{len(left)} pairs of shapes are shown by no feature, {what}: models see the "
        f"{most} that met most often. --most-pairs shows more or fewer."
        for what in (f"which met in {found[pair]} of {sampled} states at most" for pair in left[:1])
    ]
    return replace(spec, pairs=tuple(sorted(kept, key=_places))), tuple(notes)


def touching_pairs(
    subject: Subject, spec: SystemSpec, recording: Recording, seed: int = 0
) -> tuple[Counter[Pair], int]:
    """Count in how many of a sample of recorded states pairs of shapes meet.

    Args:
        subject: the real environment, which is put into the states.
        spec: its system. Planes of the world do not count, because models see points on them.
        recording: the episodes.
        seed: of the sample.

    Returns:
        The counts, and how many states there were.
    """
    size = len(recording.qpos)
    rows = np.random.default_rng(seed).permutation(size)[:SAMPLE]
    known = set(combinations((i for i, geom in enumerate(spec.geoms) if geom.kind in CONVEX), 2))
    counts: Counter[Pair] = Counter()
    for row in rows:
        leaves = {
            leaf.name: recording.columns[leaf.name][row]
            for leaf in spec.leaves
            if leaf.name in recording.columns
        }
        subject.set_state(recording.qpos[row], recording.qvel[row], leaves)
        met = {(min(pair), max(pair)) for pair in subject.data.contact.geom.tolist()}
        counts.update(Pair(*pair) for pair in met if pair in known)
    return counts, len(rows)


def _places(pair: Pair) -> tuple[int, int]:
    return pair.first, pair.second
