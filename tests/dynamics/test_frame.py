"""What is learned of one heading and one place holds for every other."""

from contextlib import closing
from functools import cache, partial

import gymnasium as gym
import mujoco
import pytest
import torch

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.frame import Frames
from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.rotation import quaternion_product
from learned_envs.registry import family_class
from learned_envs.state import State
from learned_envs.systems.reference import describe

FAMILIES = ("second_order", "first_order", "residual_mlp", "recurrent", "rigid_body")
SYSTEMS = ("Ant-v5", "Humanoid-v5")
FAR = 1e4
"""Metres."""


@cache
def spec_of(system):
    with closing(gym.make(system)) as env:
        return describe(env)


def tumbling(spec, count, seed=0, dtype=torch.float64):
    """Draw states of every orientation, upside down too, and where smooth motion leads them."""
    g = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=g, dtype=torch.float64)
    kinematics = Kinematics(spec).double()
    q = torch.tensor(spec.q0, dtype=torch.float64) + 0.3 * normal(count, spec.nq)
    for joint in spec.joints:
        if joint.kind == "free":
            q[:, joint.q + 3 : joint.q + 7] = normal(count, 4)
    q = kinematics.advance(q, torch.zeros(count, spec.nv, dtype=torch.float64))
    v, change = normal(count, spec.nv), normal(count, spec.nv)
    after = kinematics.advance(q, spec.dt * (v + 0.5 * change))
    action = torch.rand(count, spec.nu, generator=g, dtype=torch.float64) - 0.5
    return State(q, v).to(dtype), action.to(dtype), State(after, v + change).to(dtype)


def turned(spec, state, angle, shift=0.0):
    """Turn a system about the vertical and shift it, as a camera that moves the other way does."""
    q, v = state.q.clone(), state.v.clone()
    zero = torch.zeros_like(angle)
    about = torch.stack([(angle / 2).cos(), zero, zero, (angle / 2).sin()], -1)
    for joint in spec.joints:
        if joint.kind == "free":
            place, quat = slice(joint.q, joint.q + 2), slice(joint.q + 3, joint.q + 7)
            q[:, place] = planar(state.q[:, place], angle) + shift
            q[:, quat] = quaternion_product(about, state.q[:, quat])
            speed = slice(joint.v, joint.v + 2)
            v[:, speed] = planar(state.v[:, speed], angle)
    return State(q, v, state.memory)


def planar(vector, angle):
    x, y = vector.unbind(-1)
    return torch.stack([angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y], -1)


def displaced(spec, displacement, angle):
    """Turn a displacement as `turned` turns velocities."""
    none = displacement.new_zeros(len(angle), spec.nq)
    return turned(spec, State(none, displacement), angle).v


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_a_turned_and_shifted_body_moves_as_it_did_but_turned(family, system, dtype, bound):
    torch.manual_seed(0)
    spec = spec_of(system)
    model = Ensemble(family_class(family)(hidden=(16,)), spec, 2).double()
    model.normalise(*tumbling(spec, 100))
    model, (state, action, _) = model.to(dtype), tumbling(spec, 30, 1)
    angle = torch.linspace(-3, 3, 30, dtype=torch.float64)
    there = turned(spec, state, angle, FAR).to(dtype)
    here = model.step(state.to(dtype), action.to(dtype), disagreement=True)
    got = model.step(there, action.to(dtype), disagreement=True)
    # Rounding, in units of the largest number that is predicted. Float32 rounds a place far away
    # to a millimetre, but that does not reach what is predicted of its change. A division by the
    # inertia magnifies the rounding, by up to 10 measured.
    bound *= 10 if "rigid" in family else 1
    for one, other in ((here.displacement, got.displacement), (here.state.v, got.state.v)):
        expected = displaced(spec, one.double(), angle)
        assert (other - expected).abs().max() <= bound * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(here.disagreement, got.disagreement, rtol=bound, atol=bound)


@pytest.mark.parametrize("family", ["second_order", "first_order", "residual_mlp", "rigid_body"])
def test_what_is_measured_of_data_does_not_depend_on_its_heading(family):
    spec = spec_of("Ant-v5")
    state, action, after = tumbling(spec, 200)
    angle = torch.linspace(-3, 3, 200, dtype=torch.float64)
    models = []
    for one, other in ((state, after), (turned(spec, state, angle), turned(spec, after, angle))):
        torch.manual_seed(0)
        models.append(Ensemble(family_class(family)(hidden=(16,)), spec, 1).double())
        models[-1].normalise(one, action, other)
    first, second = (dict(model.named_buffers()) for model in models)
    for name, buffer in first.items():
        if name not in ("q_low", "q_high"):
            # float64 rounding, of forces up to 1e4
            torch.testing.assert_close(buffer, second[name], rtol=1e-9, atol=1e-9)
    fast = torch.linspace(0.5, 3, 200, dtype=torch.float64)[:, None]
    wild = State(state.q, fast * state.v)
    inside = models[0].inside(wild)
    assert 0 < inside.float().mean() < 1
    assert torch.equal(inside, models[0].inside(turned(spec, wild, angle, FAR)))


def test_frames_are_those_of_mujoco():
    with closing(gym.make("Ant-v5")) as env:
        model, data = env.unwrapped.model, env.unwrapped.data
        spec = describe(env)
        (state, _, _) = tumbling(spec, 5)
        frames = Frames(spec).double()
        own = frames.enter(frames(3 * state.q), state.v)
        for q, v, seen in zip(state.q, state.v, own, strict=True):
            data.qpos[:], data.qvel[:] = q, v
            mujoco.mj_forward(model, data)
            expected = data.xmat[1].reshape(3, 3).T @ v[:3].numpy()
            # float64 rounding
            torch.testing.assert_close(seen[:3], torch.tensor(expected), rtol=0, atol=1e-12)
            assert torch.equal(seen[3:], v[3:])
    back = frames.leave(frames(state.q), own)
    torch.testing.assert_close(back, state.v, rtol=0, atol=1e-12)
