"""What is learned of one heading and one place holds for every other."""

from contextlib import closing
from functools import cache, partial
from pathlib import Path

import gymnasium as gym
import mujoco
import pytest
import torch

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.frame import Frames
from learned_envs.evaluation.evaluation import offset, spread
from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.rotation import quaternion_product
from learned_envs.registry import FAMILIES, family_class
from learned_envs.state import State
from learned_envs.systems.reference import describe

GO1 = Path(__file__).parents[2] / "examples" / "unitree_go1" / "go1.xml"
SYSTEMS = ("Ant-v5", "Humanoid-v5", str(GO1))
FAR = 1e4
"""Metres."""


class Inline(gym.Env):
    """An environment that is no more than its model."""

    spec, frame_skip = gym.spec("Ant-v5"), 5

    def __init__(self, model):
        self.model, self.action_space = model, gym.spaces.Box(-1, 1, (model.nu,))


@cache
def spec_of(system):
    if system.endswith(".xml"):
        return describe(Inline(mujoco.MjModel.from_xml_path(system)))
    with closing(gym.make(system)) as env:
        return describe(env)


def untrained(family, spec, data, members=2):
    """Make a model of small weights: an untrained energy is so wild that a step diverges."""
    torch.manual_seed(0)
    model = Ensemble(family_class(family)(hidden=(16,)), spec, members).double()
    model.normalise(*data)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    return model


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
    v, change = normal(count, spec.nv), 0.1 * normal(count, spec.nv)
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


@pytest.mark.parametrize("system", SYSTEMS, ids=["Ant", "Humanoid", "Go1"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_turned_and_shifted_body_moves_as_it_did_but_turned(family, system):
    spec = spec_of(system)
    model, (state, action, _) = (
        untrained(family, spec, tumbling(spec, 100)),
        tumbling(spec, 30, 1),
    )
    angle = torch.linspace(-3, 3, 30, dtype=torch.float64)
    there = turned(spec, state, angle, FAR)
    # Rounding. Float32 rounds a place far away to a millimetre, but that does not reach what is
    # predicted of its change. Energies and a known inertia magnify it: by up to 17 was measured.
    magnified = 20 if "rigid" in family or hasattr(model.model, "posture") else 1
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5 * magnified)):
        model, action = model.to(dtype), action.to(dtype)
        here = model.step(state.to(dtype), action, disagreement=True)
        got = model.step(there.to(dtype), action, disagreement=True)
        for one, other in ((here.displacement, got.displacement), (here.state.v, got.state.v)):
            expected = displaced(spec, one.double(), angle)
            torch.testing.assert_close(other.double(), expected, rtol=0, atol=bound)
        torch.testing.assert_close(here.disagreement, got.disagreement, rtol=bound, atol=bound)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "recurrent"])
def test_what_is_measured_of_data_does_not_depend_on_its_heading(family):
    spec = spec_of("Ant-v5")
    state, action, after = tumbling(spec, 200)
    angle = torch.linspace(-3, 3, 200, dtype=torch.float64)
    there = turned(spec, state, angle), action, turned(spec, after, angle)
    models = [untrained(family, spec, data, 1) for data in ((state, action, after), there)]
    first, second = (dict(model.named_buffers()) for model in models)
    for name, buffer in first.items():
        if name.rpartition(".")[2] not in ("q_low", "q_high"):
            # float64 rounding, of forces up to 1e4
            torch.testing.assert_close(buffer, second[name], rtol=1e-9, atol=1e-9)
    fast = torch.linspace(0.5, 3, 200, dtype=torch.float64)[:, None]
    wild = State(state.q, fast * state.v)
    inside = models[0].inside(wild)
    assert 0 < inside.double().mean() < 1
    assert torch.equal(inside, models[0].inside(turned(spec, wild, angle, FAR)))


@pytest.mark.parametrize("family", ["hamiltonian", "lagrangian"])
def test_an_energy_keeps_the_momentum_of_its_symmetries(family):
    """Noether: of travel along x and y, and of turns about z."""
    spec = spec_of("Ant-v5")
    state, action, _ = data = tumbling(spec, 20)
    model = untrained(family, spec, data, 1).model
    action = torch.zeros_like(action)[None]
    q, v = state.q[None], state.v[None]
    if family == "lagrangian":
        model.forces.damping.unit.zero_()
        model.acceleration.low.fill_(-torch.inf)
        model.acceleration.high.fill_(torch.inf)

        def momentum(q, v):
            rotation, own = model.frames(q), model.inertia
            p = own.times(model.posture(q, action), model.frames.enter(rotation, v))
            return model.frames.leave(rotation, p)
    else:

        def momentum(q, p):
            return p

    def kept(q, v):
        p = momentum(q, v)
        spin = (model.frames(q)[..., 0, :, :] @ p[..., 3:6, None])[..., 2, 0]
        return torch.stack(
            [p[..., 0], p[..., 1], q[..., 0] * p[..., 1] - q[..., 1] * p[..., 0] + spin]
        )

    rate, acceleration = model.field(q, v, action)
    along = (model.kinematics.rate(q, rate), acceleration)
    values, change = torch.func.jvp(kept, (q, v), along)
    # float64 rounding, of rates up to 1e2
    assert change.abs().max() < 1e-10
    # Which says something only if the states differ in it.
    assert (values[2] - values[2].mean()).abs().max() > 0.1


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


@pytest.mark.parametrize("family", ["second_order", "lagrangian"])
def test_substeps_make_one_displacement(family):
    spec = spec_of("Ant-v5")
    state, action, after = tumbling(spec, 20)
    model = family_class(family)(hidden=(16,), substeps=4).build(spec).double()
    model.normalise(state, action, after)
    state.v[:, 3:6] *= 10
    step = model.step(state, action)
    reached = model.kinematics.advance(state.q, step.displacement)
    assert step.displacement[:, 3:6].norm(dim=-1).max() > 0.5
    # float64 rounding
    torch.testing.assert_close(reached, step.state.q, rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quaternion_of_any_length_is_an_orientation(family):
    spec = spec_of("Ant-v5")
    model, (state, action, _) = (
        untrained(family, spec, tumbling(spec, 100)),
        tumbling(spec, 20, 1),
    )
    long = state.q.clone()
    long[:, 3:7] *= torch.linspace(0.2, 5, 20, dtype=torch.float64)[:, None]
    one, other = model.step(state, action), model.step(State(long, state.v), action)
    # float64 rounding
    torch.testing.assert_close(one.state.v, other.state.v, rtol=0, atol=1e-10)
    torch.testing.assert_close(one.state.q, other.state.q, rtol=0, atol=1e-10)


def test_errors_do_not_depend_on_headings():
    spec = spec_of("Ant-v5")
    state, _, after = tumbling(spec, 50)
    kinematics = Kinematics(spec).double()
    angle = torch.linspace(-3, 3, 50, dtype=torch.float64)
    state.v[:, 0] *= 5
    states = [(state, after), (turned(spec, state, angle), turned(spec, after, angle))]
    unit = spread(kinematics, offset(kinematics, *states[0]))
    assert unit[:14][0] == unit[:14][1] and unit[14] == unit[15]
    one, other = ((offset(kinematics, *pair) / unit).square().sum(-1) for pair in states)
    # float64 rounding
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)


LOOSE = """
<body pos="{0} 0 1"><freejoint/><geom size=".1 .2" type="capsule"/>
  <body pos=".2 0 0"><joint name="j{0}" axis="0 1 0"/><geom size=".1"/></body></body>
"""
ARM = '<body name="arm" pos="0 0 1"><joint axis="0 1 0"/><geom size=".1" pos=".3 0 0"/></body>'
GROUND = '<geom type="plane" size="9 9 1"/>'
MOTOR = '<actuator><motor joint="j1" ctrlrange="-1 1"/></actuator>'


@cache
def inline(*bodies):
    world = f"<worldbody>{GROUND}{''.join(bodies)}</worldbody>"
    return describe(Inline(mujoco.MjModel.from_xml_string(f"<mujoco>{world}{MOTOR}</mujoco>")))


def test_what_bodies_can_meet_says_where_they_are_seen_from():
    two = inline(LOOSE.format(1), LOOSE.format(2))
    assert (two.cyclic, two.adrift) == ((), (0, 8))
    apart = inline(LOOSE.format(1))
    assert (apart.cyclic, apart.adrift) == ((0, 1), ())
    fixed = inline(LOOSE.format(1), ARM)
    assert (fixed.cyclic, fixed.adrift) == ((), ())


@pytest.mark.parametrize("family", FAMILIES)
def test_bodies_that_can_meet_are_seen_from_one_another(family):
    spec = inline(LOOSE.format(1), LOOSE.format(2))
    model, (state, action, _) = (
        untrained(family, spec, tumbling(spec, 100)),
        tumbling(spec, 30, 1),
    )
    angle = torch.linspace(-3, 3, 30, dtype=torch.float64)
    here = model.step(state, action)
    there = model.step(turned(spec, state, angle, 100.0), action)
    expected = displaced(spec, here.displacement, angle)
    # float64 rounding, a hundred metres away
    torch.testing.assert_close(there.displacement, expected, rtol=0, atol=1e-9)
    for place in (0, 8):
        moved = state.q.clone()
        moved[:, place] += 0.3
        other = model.step(State(moved, state.v), action)
        assert (other.state.v - here.state.v)[:, 0].abs().max() > 1e-6


def test_a_body_beside_a_fixed_arm_is_seen_where_it_is():
    spec = inline(LOOSE.format(1), ARM)
    model, (state, action, _) = (
        untrained("second_order", spec, tumbling(spec, 100)),
        tumbling(spec, 30, 1),
    )
    here = model.step(state, action).state.v
    other = turned(spec, state, torch.zeros(30, dtype=torch.float64), 0.3)
    assert (model.step(other, action).state.v - here).abs().max() > 1e-6
