import pytest
import torch

from learned_envs.dynamics.hamiltonian import Hamiltonian
from learned_envs.dynamics.mechanics import PositiveMatrix, Posture, gradients
from learned_envs.fit import FitConfig, TrainingConfig, collect, fit
from learned_envs.state import State


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_frictionless_pendulum_keeps_its_true_energy(tmp_path):
    data = collect("ChainPendulum-1", 10_000, tmp_path / "data", workers=1)
    training = TrainingConfig(members=1, updates=600, batch_size=64, horizons=(4,), check_every=100)
    options = {"hidden": (32, 32), "activation": "tanh"}
    config = FitConfig("hamiltonian", options, str(data.path), training=training)
    simulation = fit("ChainPendulum-1", tmp_path / "fit", config, device="cpu")
    start = State(torch.tensor([[1.0]]), torch.zeros(1, 1))
    with torch.no_grad():
        swing = simulation.rollout(start, torch.zeros(1, 1000, 0))
    energy = simulation.task.energy(swing.states[0])
    lowest = simulation.task.energy(State(torch.zeros(1, 1), torch.zeros(1, 1)))
    off = (energy - energy[0]).abs().max() / (energy[0] - lowest)
    # Fifty seconds; 1 percent is what the family promises.
    assert off < 0.01


@pytest.mark.parametrize("mechanical", [True, False])
def test_a_step_keeps_its_own_energy(mechanical, spec):
    torch.manual_seed(0)
    pendulum = spec("ChainPendulum-2")
    model = Hamiltonian(hidden=(16, 16), activation="tanh", mechanical=mechanical).build(pendulum)
    model = model.double()
    state = State(torch.randn(8, 2).double(), 0.1 * torch.randn(8, 2).double())
    energies, nothing = [], torch.zeros(8, 0).double()
    with torch.no_grad():
        for _ in range(200):
            momentum = model.mobility.solve(model.posture(state.q, nothing), state.v)
            energies.append(model.hamiltonian(state.q, momentum, nothing))
            state = model.step(state, nothing).state
    energy = torch.stack(energies)
    # An untrained field is slow beside a step, so that the midpoint rule is close to exact.
    assert (energy - energy[0]).abs().max() < 1e-4


def test_gradients_exist_without_recording():
    x = torch.randn(5, 3)

    def cube(y):
        return y.pow(3).sum(-1)

    with torch.inference_mode():
        (got,) = gradients(cube, x + 0.0)
    assert torch.allclose(got, 3 * x.square())
    y = x.clone().requires_grad_()
    gradients(cube, y)[0].sum().backward()
    assert torch.allclose(y.grad, 6 * x)


def test_a_positive_matrix_is_one_at_first_and_its_inverse_is_its_inverse(spec):
    torch.manual_seed(0)
    seen = Posture(spec("ChainPendulum-2"))
    assert seen.size == 4
    matrix = PositiveMatrix(seen, 3, Hamiltonian(hidden=(8,)), None).double()
    matrix.unit.copy_(torch.tensor([1.0, 2.0, 3.0]))
    posture, vector = torch.randn(6, 4).double(), torch.randn(6, 3).double()
    # float64 rounding
    close = {"rtol": 0, "atol": 1e-10}
    there = matrix.times(posture, vector)
    assert torch.allclose(matrix.solve(posture, there), vector, **close)
    root = matrix.root(posture)
    assert (torch.linalg.eigvalsh(root @ root.mT) > 0).all()
    for parameter in matrix.parameters():
        parameter.data.zero_()
    assert torch.allclose(matrix.root(posture)[0], torch.diag(matrix.unit), **close)
