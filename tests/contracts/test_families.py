"""What every model family promises; a new family is tested by existing."""

import io
from dataclasses import asdict, replace

import pytest
import torch
from families import FREE, of_systems

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.hamiltonian import Hamiltonian
from learned_envs.dynamics.lagrangian import Lagrangian
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
def test_any_batch_shape(config, data, batch):
    spec, state, action, _ = data
    model = config.build(spec)
    count = max(1, torch.Size(batch).numel())
    one = state[:count].map(lambda tensor: tensor.reshape(*batch, -1))
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
    spread = state.map(lambda tensor: tensor.expand(3, -1, -1))
    every = ensemble.step(spread, action.expand(3, -1, -1)).state.v
    # float64 rounding
    assert torch.allclose(every[1], single.step(state, action).state.v, rtol=0, atol=1e-12)
    assert not torch.allclose(every[0], every[1], rtol=0, atol=1e-6)


def test_members_may_share_a_state(config, data):
    spec, state, action, following = data
    model = config.build(spec, members=3).double()
    state, action, following = state.to(torch.float64), action.double(), following.to(torch.float64)
    model.normalise(state, action, following)
    shared = model.step(state[None], action[None])
    own = state.map(lambda tensor: tensor.expand(3, -1, -1))
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
    state = state[:count].map(lambda tensor: tensor.reshape(*batch, -1))
    action = action[:count].reshape(*batch, -1)
    if remembers:
        state = model.begin(state)
    prediction = model.step_told(state, action, disagreement)
    for told in (prediction.readings, prediction.spreads):
        assert {name: value.shape for name, value in told.items()} == {
            "one": (*batch, 1),
            "other": (*batch, 2),
        }
    told = [*prediction.readings.values(), *prediction.spreads.values()]
    sum(value.square().sum() for value in told).backward()
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
    # An untrained model is off by about the spread of a change. Measured over three seeds, 50 steps
    # of Adam leave 0.03 to 0.54 of it. Energies are learned through their gradients, and more
    # slowly: up to 0.9.
    slow = isinstance(config, Hamiltonian | Lagrangian)
    assert loss().item() < (0.95 if slow else 0.65) * before


def test_changes_stay_within_the_data(config, data):
    spec, state, action, following = data
    torch.manual_seed(0)
    model = config.build(spec)
    model.normalise(state, action, following)
    # Larger energies overflow: such a step has diverged, and no environment shows it.
    factor = 1.5 if isinstance(config, Hamiltonian) else 20.0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    # The range of a free body's velocity is along its own axes, and these turn within a step.
    still = [i for i in range(spec.nv) if i not in model.frames.linear.flatten()]
    change = (model.step(state, action).state.v - state.v)[:, still]
    seen = (following.v - state.v)[:, still]
    least, most = seen.amin(0), seen.amax(0)
    # float32 rounding of v
    assert (change >= least - 1e-4).all()
    assert (change <= most + 1e-4).all()
    # What is tested here does happen. Measured over three seeds: 0.44 to 1 of the changes.
    at_bounds = torch.minimum((change - least).abs(), (change - most).abs()) < 1e-4
    assert at_bounds.float().mean() > 0.25


@of_systems(lambda system: "Pendulum" not in system)
def test_cyclic_coordinates_do_not_matter(config, data):
    spec, state, action, following = data
    assert spec.cyclic
    model = config.build(spec)
    model.normalise(state, action, following)
    q = state.q.clone()
    q[:, list(spec.cyclic)] += 1e4
    here, there = model.step(state, action), model.step(replace(state, q=q), action)
    assert torch.equal(here.displacement, there.displacement)
    assert torch.equal(here.state.v, there.state.v)


@of_systems(lambda system: system == FREE)
def test_orientations_stay_orientations_and_have_no_sign(config, data):
    spec, state, action, following = data
    model = config.build(spec)
    model.normalise(state, action, following)
    quaternion = slice(3, 7)
    other = state.q.clone()
    other[:, quaternion] *= -1
    here, there = model.step(state, action), model.step(State(other, state.v), action)
    # float32 rounding
    length = here.state.q[:, quaternion].norm(dim=-1)
    assert torch.allclose(length, torch.ones(len(length)), rtol=0, atol=1e-6)
    assert torch.allclose(here.displacement, there.displacement, rtol=0, atol=1e-6)
    assert torch.allclose(here.state.v, there.state.v, rtol=0, atol=1e-5)
