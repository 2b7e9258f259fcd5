import pytest
import torch

from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.heading import Heading
from learned_envs.dynamics.residual_mlp import ResidualMLP
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.state import State


def states(spec, count):
    g = torch.Generator().manual_seed(1)
    q = torch.randn(count, spec.nq, generator=g, dtype=torch.float64)
    v = torch.randn(count, spec.nv, generator=g, dtype=torch.float64)
    return State(q, v), torch.rand(count, spec.nu, generator=g, dtype=torch.float64)


def turned(heading, state, angle):
    """Turn and shift the whole system, as a camera that moves the other way would."""
    q = heading.rotate(state.q, angle)
    q[..., heading.turn] += angle
    q[..., heading.x] += 7.0
    return State(q, heading.rotate(state.v, angle))


def test_only_a_body_that_slides_and_turns_freely_has_a_heading(spec):
    assert spec("Swimmer").heading == (0, 1, 2)
    for task in ("InvertedPendulum", "Reacher", "Hopper", "HalfCheetah"):
        assert spec(task).heading is None


@pytest.mark.parametrize("family", [SecondOrder(hidden=(16,)), ResidualMLP(hidden=(16,))], ids=repr)
def test_a_turned_system_moves_as_the_system_does_but_turned(spec, family):
    torch.manual_seed(0)
    swimmer = spec("Swimmer")
    ensemble = Ensemble(family, swimmer, 2).double()
    state, action = states(swimmer, 50)
    after = ensemble.step(state, action).state
    ensemble.normalise(state, action, after)
    angle = torch.linspace(-3, 3, 50, dtype=torch.float64)
    expected = turned(ensemble.heading, ensemble.step(state, action).state, angle)
    got = ensemble.step(turned(ensemble.heading, state, angle), action).state
    # float64 rounding
    assert torch.allclose(got.q, expected.q, rtol=0, atol=1e-10)
    assert torch.allclose(got.v, expected.v, rtol=0, atol=1e-10)


def test_normalisation_does_not_depend_on_where_the_data_heads(spec):
    swimmer = spec("Swimmer")
    heading = Heading.of(swimmer)
    state, action = states(swimmer, 200)
    after, _ = states(swimmer, 200)
    angle = torch.linspace(-3, 3, 200, dtype=torch.float64)
    models = [Ensemble(SecondOrder(hidden=(16,)), swimmer, 1).double() for _ in range(2)]
    models[0].normalise(state, action, after)
    models[1].normalise(turned(heading, state, angle), action, turned(heading, after, angle))
    for name, buffer in models[0].model.acceleration.named_buffers():
        other = models[1].model.acceleration.get_buffer(name)
        # float64 rounding, of accelerations up to 100
        assert torch.allclose(buffer, other, rtol=0, atol=1e-9), name
