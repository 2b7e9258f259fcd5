"""Which shapes met in recorded data is what MuJoCo says of its states."""

from dataclasses import replace

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from learned_envs.collect import touching
from learned_envs.collect.asking import ask
from learned_envs.collect.touching import seen_geometry
from learned_envs.data.recording import Episode, Recording

TASK = "Pusher-v5"


@pytest.fixture(scope="module")
def real():
    env = gym.make(TASK)
    yield env
    env.close()


def recording(env: gym.Env, positions: np.ndarray) -> Recording:
    rows = len(positions)
    episode = Episode(
        qpos=positions,
        qvel=np.zeros((rows, env.unwrapped.model.nv)),
        observations=np.zeros((rows, 1)),
        actions=np.zeros((rows - 1, env.unwrapped.model.nu), dtype=np.float32),
        rewards=np.zeros(rows - 1),
        terminated=False,
        truncated=True,
        seed=0,
        actor="random",
        system=ask(TASK).spec,
    )
    return Recording.of([episode])


def placed(env: gym.Env, count: int, pushed: int) -> np.ndarray:
    """Return positions in whose first `pushed` the arm's tip reaches into the puck."""
    env.reset(seed=0)
    model, data, random = env.unwrapped.model, env.unwrapped.data, np.random.default_rng(0)
    start, still = data.qpos.copy(), np.zeros(model.nv)
    slides = [model.joint(name).qposadr[0] for name in ("obj_slidex", "obj_slidey")]
    low, high = model.jnt_range[:7].T
    found = []
    while len(found) < pushed:
        q = start.copy()
        q[:7] = random.uniform(low, high)
        env.unwrapped.set_state(q, still)
        q[slides] += data.body("tips_arm").xpos[:2] - data.body("object").xpos[:2]
        env.unwrapped.set_state(q, still)
        kinds = model.geom_type[data.contact.geom]
        if (kinds != mujoco.mjtGeom.mjGEOM_PLANE).all(-1).any():
            found.append(q)
    return np.array([*found, *[start] * (count - pushed)])


def test_pairs_that_met_are_listed_and_those_with_planes_are_not(real):
    spec = ask(TASK).spec
    positions = placed(real, 40, 30)
    found, notes = seen_geometry(spec, TASK, recording(real, positions), most=8)
    model, data = real.unwrapped.model, real.unwrapped.data
    met = set()
    for q in positions:
        real.unwrapped.set_state(q, np.zeros(model.nv))
        met |= {tuple(sorted(pair)) for pair in data.contact.geom.tolist()}
    planes = {i for i, geom in enumerate(spec.geoms) if geom.kind == "plane"}
    expected = sorted(pair for pair in met if not planes & {*pair})
    assert [(pair.first, pair.second) for pair in found.pairs] == expected
    assert expected
    assert notes == ()
    assert replace(found, pairs=()) == spec


def test_what_is_left_out_is_noted(real):
    seen = recording(real, placed(real, 40, 30))
    found, (note,) = seen_geometry(ask(TASK).spec, TASK, seen, most=0)
    assert found.pairs == ()
    assert "of 40 states" in note


def test_what_hardly_ever_meets_is_left_out(real, monkeypatch):
    monkeypatch.setattr(touching, "RARE", 0.8)
    found, _ = seen_geometry(ask(TASK).spec, TASK, recording(real, placed(real, 40, 30)), most=8)
    assert found.pairs == ()


def test_shapes_that_data_has_no_words_for_are_described(real):
    spec = ask(TASK).spec
    old = replace(spec, geoms=tuple(replace(geom, kind="other") for geom in spec.geoms))
    found, notes = seen_geometry(old, TASK, recording(real, placed(real, 4, 0)), most=8)
    assert notes == ()
    assert found.geoms == spec.geoms
