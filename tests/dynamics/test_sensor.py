import pytest
import torch

from learned_envs.dynamics.sensor import SensorHead
from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor

SENSORS = [Sensor("force"), Sensor("constant")]


@pytest.fixture
def head(spec):
    torch.manual_seed(0)
    described = spec("InvertedDoublePendulum")
    return SensorHead(described, Kinematics(described), SENSORS)


def steps(count):
    g = torch.Generator().manual_seed(1)
    state = State(torch.randn(count, 3, generator=g), torch.randn(count, 3, generator=g))
    readings = {"force": torch.randn(count, 1, generator=g), "constant": torch.zeros(count, 1)}
    return state, torch.rand(count, 1, generator=g), readings


def test_readings_stay_within_the_data(head):
    state, action, readings = steps(200)
    head.normalise(state, action, readings)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(100.0)
    predicted = head(state, action)
    for name, recorded in readings.items():
        assert predicted[name].shape == recorded.shape
        assert (predicted[name] >= recorded.amin()).all()
        assert (predicted[name] <= recorded.amax()).all()


def test_a_reading_that_never_varies_is_predicted_as_it_is(head):
    state, action, readings = steps(200)
    head.normalise(state, action, readings)
    assert (head(state, action)["constant"] == 0).all()
    # An error of 1 counts as 1 if there is no spread to measure it by.
    error = head.error(state, action, readings)
    further = head.error(state, action, {**readings, "constant": readings["constant"] + 1.0})
    # float32 rounding
    assert torch.allclose(error - further, torch.tensor([0.0, 1.0]), rtol=0, atol=1e-6)


def test_errors_are_learned_from_at_the_ends_of_the_range(head):
    state, action, readings = steps(200)
    head.normalise(state, action, readings)
    high = {name: recorded.amax().expand(200, 1) for name, recorded in readings.items()}
    with torch.no_grad():
        head.network.layers[-1].bias.fill_(-100.0)
    assert (head(state, action)["force"] == readings["force"].amin()).all()
    head.error(state, action, high).square().sum().backward()
    assert head.network.layers[-1].bias.grad.abs().min() > 0


def test_it_sees_a_millimetre_before_the_rail_s_end(head):
    at = torch.tensor([[0.5, 0.0, 0.0], [0.501, 0.0, 0.0], [0.999, 0.0, 0.0], [1.0, 0.0, 0.0]])
    seen = head.features(at, torch.zeros(4, 3), torch.zeros(4, 1))
    middle, end = (seen[1] - seen[0]).norm(), (seen[3] - seen[2]).norm()
    # The derivative of tanh(x / 0.01) at its zero, 100, against 1 for x itself: measured 84.
    assert end > 50 * middle
