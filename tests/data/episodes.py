"""Made-up episodes, when two are the same, and manifests that are changed."""

import dataclasses
import json
from contextlib import suppress

import msgspec
import numpy as np

from learned_envs.data.folder import MANIFEST
from learned_envs.data.manifest import Manifest, checksum
from learned_envs.data.recording import ROWS, Episode


def make_episode(spec, steps, seed=0, actor="random", terminated=True):
    rng = np.random.default_rng(seed)
    return Episode(
        qpos=rng.normal(size=(steps + 1, spec.nq)),
        qvel=rng.normal(size=(steps + 1, spec.nv)),
        observations=rng.normal(size=(steps + 1, 11)),
        actions=rng.normal(size=(steps, spec.nu)).astype(np.float32),
        rewards=rng.normal(size=steps),
        terminated=terminated,
        truncated=not terminated,
        seed=seed,
        actor=actor,
    )


def assert_equal(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(a, b), field.name
        if field.name in ROWS:
            assert a.dtype == b.dtype == ROWS[field.name]


def edit_manifest(dataset, change):
    """Change a manifest as one who knows of its checksum."""
    file = dataset.path / MANIFEST
    plain = json.loads(file.read_text())
    change(plain)
    # What is of a wrong type is refused for that.
    with suppress(msgspec.ValidationError):
        plain["checksum"] = checksum(plain, msgspec.convert(plain, Manifest))
    file.write_text(json.dumps(plain))
