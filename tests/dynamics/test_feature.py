from dataclasses import replace

import pytest
import torch

from learned_envs.dynamics.feature import LIMIT_SCALES, Features
from learned_envs.dynamics.given import given_by
from learned_envs.dynamics.mechanics import Posture
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.spec import Leaf


def features(spec, limit_times):
    return Features(spec, Kinematics(spec), False, limit_times).double()


def test_limits_are_seen_now_and_where_the_velocity_leads(spec):
    swimmer = spec("Swimmer")
    limited = [joint for joint in swimmer.joints if joint.limits is not None]
    assert len(limited) == 2
    plain, both = features(swimmer, ()), features(swimmer, (0.0, 1.0))
    seen = 2 * len(LIMIT_SCALES) * len(limited)
    assert both.size == plain.size + 2 * seen
    g = torch.Generator().manual_seed(0)
    q = torch.randn(20, swimmer.nq, generator=g, dtype=torch.float64)
    v = torch.randn(20, swimmer.nv, generator=g, dtype=torch.float64)
    action = torch.zeros(20, swimmer.nu, dtype=torch.float64)
    now = both(q, v, action)[:, plain.size : plain.size + seen]
    later = both(q, v, action)[:, -seen:]
    moved = both(q + swimmer.dt * v, v, action)[:, plain.size : plain.size + seen]
    assert torch.equal(both(q, v, action)[:, : plain.size], plain(q, v, action))
    assert torch.allclose(later, moved)
    assert not torch.allclose(later, now)


def test_a_joint_at_its_limit_is_told_from_one_beyond_it(spec):
    swimmer = spec("Swimmer")
    seen = features(swimmer, (0.0,))
    joint = next(joint for joint in swimmer.joints if joint.limits is not None)
    q = torch.tensor(swimmer.q0, dtype=torch.float64).repeat(2, 1)
    q[:, joint.q] = torch.tensor([joint.limits[1] - 0.01, joint.limits[1] + 0.01])
    v = torch.zeros(2, swimmer.nv, dtype=torch.float64)
    inside, beyond = seen(q, v, torch.zeros(2, swimmer.nu, dtype=torch.float64))
    # tanh(1) on both sides of zero, at the finer scale
    assert (beyond - inside).max() > 1.5


def test_what_is_not_the_action_and_the_leaves_that_are_seen_is_refused(spec):
    leaves = (Leaf("act", 2), Leaf("env._steps", 1, seen=False))
    swimmer = replace(spec("Swimmer"), leaves=leaves)
    seen = features(swimmer, ())
    state = State(torch.zeros(3, 5), torch.zeros(3, 5))
    with pytest.raises(ShapeError, match="Got 2 numbers beside q and v, expected 4"):
        seen(state.q, state.v, torch.zeros(3, 2))
    with pytest.raises(ParameterError, match=r"without act \(\*batch, 2\)"):
        given_by(swimmer, state, torch.zeros(3, 2))
    slow = state.remember(act=torch.ones(3, 2))
    assert given_by(swimmer, slow, torch.zeros(3, 2)).tolist() == [[0, 0, 1, 1]] * 3


@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e4])
def test_a_leaf_is_seen_whatever_its_unit_is(spec, unit):
    swimmer = replace(spec("Swimmer"), leaves=(Leaf("model.body_inertia[1]", 2, frozen=True),))
    g = torch.Generator().manual_seed(0)
    q, v = torch.randn(500, 5, generator=g), torch.randn(500, 5, generator=g)
    varies = unit * (2 + torch.rand(500, 1, generator=g))
    given = torch.cat([torch.zeros(500, 2), varies, torch.full((500, 1), 3.3 * unit)], -1)
    plain = features(swimmer, ()).float()
    plain.normalise(q, v, given)
    posture = Posture(swimmer)
    posture.normalise(q, given)
    first = len(plain.coordinates.travel) + swimmer.nv + swimmer.nu
    for seen in (plain(q, v, given)[:, first : first + 2], posture(q, given)[:, -2:]):
        # float32 rounding: of a standard deviation, and of a number's mean.
        assert seen[:, 0].std().item() == pytest.approx(1, abs=1e-3)
        assert seen[:, 1].abs().max() <= 1e-6 * 3.3 * unit
