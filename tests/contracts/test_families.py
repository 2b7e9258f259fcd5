"""What every model family promises; a new family is tested by existing."""

import io
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache

import gymnasium as gym
import pytest
import torch

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.hamiltonian import Hamiltonian
from learned_envs.dynamics.lagrangian import Lagrangian
from learned_envs.errors import ParameterError
from learned_envs.kinematics import Kinematics
from learned_envs.registry import FAMILIES, family_class
from learned_envs.state import State
from learned_envs.systems.reference import describe
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import Leaf

FREE = "Ant-v5"
"""A system whose body is joined to nothing: the orientation in q is a quaternion."""

LEAVES = "InvertedPendulum-v5 with leaves"
"""A system whose motor has an activation, and a mass that is drawn anew for every episode."""

SYSTEMS = ["Hopper-v5", "InvertedPendulum-v5", FREE, LEAVES]

CASES = [
    pytest.param((family, system), id=f"{family}-{system}")
    for family in FAMILIES
    for system in SYSTEMS
]


@cache
def spec_of(system):
    if system == LEAVES:
        leaves = (
            Leaf("act", 1),
            Leaf("model.body_mass[2]", 1, (), frozen=True),
            Leaf("env._steps", 1, (), seen=False),
        )
        return replace(spec_of("InvertedPendulum-v5"), leaves=leaves)
    with closing(gym.make(system)) as env:
        return describe(env)


def transitions(spec, n, seed=0):
    """Draw states near the start, and next states that a smooth made-up motion leads to."""
    g = torch.Generator().manual_seed(seed)
    kinematics = Kinematics(spec)
    q = torch.tensor(spec.q0) + 0.1 * torch.randn(n, spec.nq, generator=g)
    # Nothing moves, but what stands for an orientation becomes one.
    q = kinematics.advance(q, torch.zeros(n, spec.nv))
    v = torch.randn(n, spec.nv, generator=g)
    action = 2 * torch.rand(n, spec.nu, generator=g) - 1
    pull = 5 * q[:, -spec.nv :].sin() - action.sum(-1, keepdim=True)
    memory = {leaf.name: torch.randn(n, leaf.size, generator=g) for leaf in spec.leaves}
    pull = pull - sum(memory[leaf.name].sum(-1, keepdim=True) for leaf in spec.leaves if leaf.seen)
    v_next = v - spec.dt * (3 * v + pull)
    q_next = kinematics.advance(q, spec.dt * (v + v_next) / 2)
    return State(q, v, memory), action, State(q_next, v_next, memory)


@pytest.fixture(autouse=True)
def seeded():
    """Untrained models have rare weights that magnify rounding: let them be the same each time."""
    torch.manual_seed(0)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def of_systems(chosen):
    """Limit a test to some of the systems."""
    cases = [param for param in CASES if chosen(param.values[0][1])]
    return pytest.mark.parametrize("case", cases, indirect=True)


@pytest.fixture
def config(case):
    return family_class(case[0])(hidden=(16, 16))


@pytest.fixture
def data(case):
    described = spec_of(case[1])
    return described, *transitions(described, 256)


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


@of_systems(lambda system: system == LEAVES)
def test_a_step_depends_on_the_leaves_that_are_seen_and_on_no_others(config, data):
    spec, state, action, following = data
    model = config.build(spec)
    model.normalise(state, action, following)
    here = model.step(state, action).state
    for leaf in spec.leaves:
        other = state.remember(**{leaf.name: state.memory[leaf.name].flip(0)})
        there = model.step(other, action).state
        assert torch.equal(here.v, there.v) is not leaf.seen, leaf.name


@of_systems(lambda system: system == LEAVES)
@pytest.mark.parametrize("count", [5, 100])
@pytest.mark.parametrize("mean", [False, True], ids=["member", "mean"])
def test_leaves_are_handed_on_to_the_last_bit(config, data, count, mean):
    spec, state, action, following = data
    model = Ensemble(config, spec, 3, [Sensor("one")])
    model.normalise(state, action, following)
    state = model.begin(state[:count], mean=mean)
    for disagreement in (False, True):
        memory = model.step(state, action[:count], disagreement).state.memory
        for leaf in spec.leaves:
            assert torch.equal(memory[leaf.name], state.memory[leaf.name])


@of_systems(lambda system: system == LEAVES)
def test_a_state_without_its_leaves_is_refused_by_name(config, data):
    spec, state, action, _ = data
    for model in (config.build(spec), Ensemble(config, spec, 2)):
        with pytest.raises(ParameterError, match=r"without act \(\*batch, 1\), which.*remember"):
            model.step(state.forget("act"), action)
