"""What every model family promises; a new family is tested by existing."""

import io
from dataclasses import asdict

import pytest
import torch

from learned_envs.catalogue import FAMILIES, family_class
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.hamiltonian import Hamiltonian
from learned_envs.dynamics.lagrangian import Lagrangian
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor

TASKS = ["Hopper", "InvertedPendulum"]


@pytest.fixture(params=FAMILIES)
def config(request):
    return family_class(request.param)(hidden=(16, 16))


def transitions(spec, n, seed=0):
    """Draw states near the start, and next states that a smooth made-up motion leads to."""
    g = torch.Generator().manual_seed(seed)
    q = torch.tensor(spec.q0) + 0.1 * torch.randn(n, spec.nq, generator=g)
    v = torch.randn(n, spec.nv, generator=g)
    action = 2 * torch.rand(n, spec.nu, generator=g) - 1
    v_next = v - spec.dt * (3 * v + 5 * q.sin() - action.sum(-1, keepdim=True))
    return State(q, v), action, State(q + spec.dt * (v + v_next) / 2, v_next)


@pytest.fixture(params=TASKS)
def data(request, spec):
    described = spec(request.param)
    return described, *transitions(described, 256)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
def test_any_batch_shape(config, data, batch):
    spec, state, action, _ = data
    model = config.build(spec)
    count = max(1, torch.Size(batch).numel())
    one = State(state.q[:count].reshape(*batch, -1), state.v[:count].reshape(*batch, -1))
    prediction = model.step(one, action[:count].reshape(*batch, -1))
    assert prediction.state.q.shape == (*batch, spec.nq)
    assert prediction.state.v.shape == prediction.displacement.shape == (*batch, spec.nv)


def test_batched_equals_one_by_one(config, data):
    spec, state, action, _ = data
    model = config.build(spec).double()
    state, action = state.to(torch.float64)[:8], action[:8].double()
    together = model.step(state, action).state
    for i in range(8):
        alone = model.step(state[i], action[i]).state
        # float64 rounding over three layers of 16
        assert torch.allclose(alone.q, together.q[i], rtol=0, atol=1e-12)
        assert torch.allclose(alone.v, together.v[i], rtol=0, atol=1e-12)


def test_members_are_models_of_their_own(config, data):
    spec, state, action, _ = data
    torch.manual_seed(0)
    ensemble = config.build(spec, members=3).double()
    torch.manual_seed(1)
    single = config.build(spec).double()
    weights = {
        name: w[1].reshape(own.shape) if w.shape != own.shape else w
        for (name, w), own in zip(
            ensemble.state_dict().items(), single.state_dict().values(), strict=True
        )
    }
    single.load_state_dict(weights)
    state, action = state.to(torch.float64), action.double()
    spread = State(state.q.expand(3, -1, -1), state.v.expand(3, -1, -1))
    every = ensemble.step(spread, action.expand(3, -1, -1)).state.v
    # float64 rounding
    assert torch.allclose(every[1], single.step(state, action).state.v, rtol=0, atol=1e-12)
    assert not torch.allclose(every[0], every[1], rtol=0, atol=1e-6)


def test_members_may_share_a_state(config, data):
    spec, state, action, following = data
    model = config.build(spec, members=3).double()
    state, action, following = state.to(torch.float64), action.double(), following.to(torch.float64)
    model.normalise(state, action, following)
    shared = model.step(State(state.q[None], state.v[None]), action[None])
    own = State(state.q.expand(3, -1, -1), state.v.expand(3, -1, -1))
    apart = model.step(own, action.expand(3, -1, -1))
    # float64 rounding
    assert torch.allclose(shared.state.v, apart.state.v, rtol=0, atol=1e-10)
    assert torch.allclose(shared.displacement, apart.displacement, rtol=0, atol=1e-10)


def test_gradients_reach_every_parameter(config, data):
    spec, state, action, following = data
    model = config.build(spec)
    model.normalise(state, action, following)
    # All outputs in: displacement alone would leave the last layer's other rows untouched.
    # Two steps: a memory begins empty.
    prediction = model.step(model.step(state, action).state, action)
    (prediction.state.v.square().sum() + prediction.displacement.square().sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_weights_alone_restore_the_model(config, data):
    spec, state, action, following = data
    model = Ensemble(config, spec, 2)
    model.normalise(state, action, following)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = Ensemble(type(config)(**asdict(config)), spec, 2)
    again.load_state_dict(torch.load(file, weights_only=True))
    expected, got = model.step(state, action), again.step(state, action)
    assert torch.equal(expected.state.q, got.state.q)
    assert torch.equal(expected.state.v, got.state.v)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3), (100,)], ids=str)
@pytest.mark.parametrize("remembers", [False, True], ids=["mean", "member"])
@pytest.mark.parametrize("disagreement", [False, True], ids=["", "disagreement"])
def test_every_family_predicts_readings(config, data, batch, remembers, disagreement):
    spec, state, action, _ = data
    model = Ensemble(config, spec, 3, [Sensor("one"), Sensor("other", size=2)])
    count = torch.Size(batch).numel()
    state = State(state.q[:count].reshape(*batch, -1), state.v[:count].reshape(*batch, -1))
    action = action[:count].reshape(*batch, -1)
    if remembers:
        state = model.begin(state)
    prediction = model.step(state, action, disagreement)
    assert prediction.readings["one"].shape == (*batch, 1)
    assert prediction.readings["other"].shape == (*batch, 2)
    sum(read.square().sum() for read in prediction.readings.values()).backward()
    for name, parameter in model.head.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert Ensemble(config, spec, 3).step(state, action, disagreement).readings == {}


def test_training_lowers_the_loss(config, data):
    spec, state, action, following = data
    torch.manual_seed(0)
    model = config.build(spec)
    model.normalise(state, action, following)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def loss():
        return (model.step(state, action).state.v - following.v).square().mean()

    before = loss().item()
    for _ in range(50):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    # An untrained model is off by about the spread of a change; 50 steps of Adam halve it at least.
    # Energies are learned through their gradients, and more slowly: measured, 0.79 to 0.9 times.
    slow = isinstance(config, Hamiltonian | Lagrangian)
    assert loss().item() < (0.95 if slow else 0.5) * before


def test_changes_stay_within_the_data(config, data):
    spec, state, action, following = data
    model = config.build(spec)
    model.normalise(state, action, following)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(100.0)
    change = model.step(state, action).state.v - state.v
    seen = following.v - state.v
    # float32 rounding of v
    within = (change >= seen.amin(0) - 1e-4) & (change <= seen.amax(0) + 1e-4)
    # Energies that large overflow: such a step has diverged, and no environment shows it.
    assert (within | change.isnan()).all()


def test_cyclic_coordinates_do_not_matter(config, data):
    spec, state, action, following = data
    if not spec.cyclic:
        pytest.skip("the system has no cyclic coordinate")
    model = config.build(spec)
    model.normalise(state, action, following)
    q = state.q.clone()
    q[:, list(spec.cyclic)] += 1e4
    here, there = model.step(state, action), model.step(State(q, state.v), action)
    assert torch.equal(here.displacement, there.displacement)
    assert torch.equal(here.state.v, there.state.v)
