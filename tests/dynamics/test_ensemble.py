import pytest
import torch

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.errors import ParameterError, UnknownNameError
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor


@pytest.fixture
def ensemble(spec):
    torch.manual_seed(0)
    return Ensemble(SecondOrder(hidden=(16, 16)), spec("Hopper"), 3).double()


def states(ensemble, *batch):
    g = torch.Generator().manual_seed(1)
    q = torch.tensor(ensemble.spec.q0, dtype=torch.float64)
    q = q + 0.1 * torch.randn(*batch, 6, generator=g, dtype=torch.float64)
    v = torch.randn(*batch, 6, generator=g, dtype=torch.float64)
    return State(q, v), torch.rand(*batch, 3, generator=g, dtype=torch.float64)


def test_without_a_member_it_steps_with_the_mean(ensemble):
    state, action = states(ensemble, 7)
    each = [ensemble.step(state.remember(member=torch.full((7,), m)), action) for m in range(3)]
    mean = torch.stack([prediction.state.v for prediction in each]).mean(0)
    # float64 rounding
    assert torch.allclose(ensemble.step(state, action).state.v, mean, rtol=0, atol=1e-12)


# Fewer and more than GROUPING_PAYS states, and members of very different counts.
@pytest.mark.parametrize("batch", [(1,), (10,), (300,), (20, 10)], ids=str)
@pytest.mark.parametrize("fewest", [0, 1], ids=["all members", "one unused"])
def test_each_state_steps_with_its_own_member(ensemble, batch, fewest):
    state, action = states(ensemble, *batch)
    member = torch.randint(fewest, 3, batch, generator=torch.Generator().manual_seed(2))
    state = state.remember(member=member)
    got = ensemble.step(state, action)
    every = ensemble.step_members(
        State(state.q.expand(3, *batch, 6), state.v.expand(3, *batch, 6)),
        action.expand(3, *batch, 3),
    )
    for m in range(3):
        own = member == m
        # float64 rounding
        assert torch.allclose(got.state.v[own], every.state.v[m][own], rtol=0, atol=1e-12)
        assert torch.allclose(got.displacement[own], every.displacement[m][own], atol=1e-12)
    assert torch.equal(got.state.memory["member"], member)


@pytest.mark.parametrize("batch", [(10,), (300,)], ids=str)
def test_readings_are_those_of_the_state_that_the_member_reached(spec, batch):
    torch.manual_seed(0)
    hopper = spec("Hopper")
    ensemble = Ensemble(
        SecondOrder(hidden=(16,)), hopper, 3, [Sensor("one"), Sensor("other")]
    ).double()
    state, action = states(ensemble, *batch)
    got = ensemble.step(ensemble.begin(state), action)
    reached = State(got.state.q.expand(3, -1, -1), got.state.v.expand(3, -1, -1))
    every = ensemble.head(reached, action.expand(3, -1, -1))
    member = got.state.memory["member"][None, :, None]
    for name, read in every.items():
        # float64 rounding
        assert torch.allclose(got.readings[name], read.gather(0, member)[0], rtol=0, atol=1e-12)


def test_disagreement_is_the_members_spread_and_changes_nothing_else(ensemble):
    state, action = states(ensemble, 100)
    state = ensemble.begin(state, torch.Generator().manual_seed(0))
    plain = ensemble.step(state, action)
    asked = ensemble.step(state, action, disagreement=True)
    assert plain.disagreement is None
    assert (asked.disagreement > 0).all()
    # float64 rounding
    assert torch.allclose(asked.state.v, plain.state.v, rtol=0, atol=1e-12)


def test_equal_members_do_not_disagree(ensemble):
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter).clone())
    state, action = states(ensemble, 5)
    # float64 rounding of three equal numbers' mean
    assert ensemble.step(state, action, disagreement=True).disagreement.max() < 1e-12


def test_episodes_get_every_member(ensemble):
    state, _ = states(ensemble, 300)
    member = ensemble.begin(state, torch.Generator().manual_seed(0)).memory["member"]
    # 300 uniform draws miss one of three with probability below 1e-50
    assert set(member.tolist()) == {0, 1, 2}


def test_bad_options_name_what_is_known(spec):
    with pytest.raises(UnknownNameError, match="rk4"):
        SecondOrder(integrator="rk5").build(spec("Hopper"))
    with pytest.raises(ParameterError, match="substeps"):
        SecondOrder(substeps=0).build(spec("Hopper"))


def test_substeps_and_integrators_agree_where_the_field_is_smooth(spec):
    torch.manual_seed(0)
    described = spec("InvertedPendulum")
    fine = SecondOrder(hidden=(16,), position_correction=False, substeps=32, integrator="rk4")
    coarse = SecondOrder(hidden=(16,), position_correction=False, integrator="rk4")
    a, b = fine.build(described).double(), coarse.build(described).double()
    b.load_state_dict(a.state_dict())
    state = State(torch.zeros(1, 2).double(), torch.ones(1, 2).double())
    action = torch.ones(1, 1).double()
    # rk4's local error at dt = 0.04 on a network of unit weights; measured 7.6e-10
    assert torch.allclose(a.step(state, action).state.v, b.step(state, action).state.v, atol=1e-8)
