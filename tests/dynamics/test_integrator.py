import math

import pytest
import torch

from learned_envs.dynamics.integrator import INTEGRATORS, Adaptive

# A theorem for each but constant_acceleration, whose order 1 its own docstring derives.
ORDERS = {
    "semi_implicit_euler": 1,
    "constant_acceleration": 1,
    "midpoint": 2,
    "implicit_midpoint": 2,
    "rk4": 4,
}
ADAPTIVE = [name for name, each in INTEGRATORS.items() if isinstance(each, Adaptive)]


def advance(q, displacement):
    return q + displacement


def pendulum(q, v):
    return v, -9.81 * q.sin()


def swing(integrate, steps, duration=1.0):
    q, v = torch.tensor([1.0], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for _ in range(steps):
        moved, change = integrate(pendulum, advance, q, v, duration / steps)
        q, v = q + moved, v + change
    return torch.cat([q, v])


def test_every_integrator_has_an_order_to_be_tested():
    assert {*ORDERS, *ADAPTIVE} == INTEGRATORS.keys()


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_integrators_keep_their_tolerance(name):
    off = swing(INTEGRATORS[name], 10) - swing(INTEGRATORS["rk4"], 20_000)
    # Ten steps of a relative tolerance of 1e-5; measured: 5e-6 at most.
    assert off.abs().max() < 1e-4


def test_the_adjoint_s_gradients_are_those_of_the_solver():
    def gradients(integrate, **held):
        stiffness = torch.tensor(9.81, dtype=torch.float64, requires_grad=True)
        q = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        v = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
        if held:
            held["held"] = (stiffness,)
        moved, change = integrate(
            lambda q, v: (v, -stiffness * q.sin()), advance, q, v, 0.5, **held
        )
        (moved + change).sum().backward()
        return torch.cat([q.grad, v.grad, stiffness.grad[None]])

    through, adjoint = INTEGRATORS["dopri5"], INTEGRATORS["dopri5_adjoint"]
    # The solver's tolerance, in units of gradients of order one.
    assert torch.allclose(gradients(through), gradients(adjoint, held=True), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name):
    integrate = INTEGRATORS[name]
    exact = swing(INTEGRATORS["rk4"], 20_000)
    coarse = (swing(integrate, 100) - exact).norm()
    fine = (swing(integrate, 200) - exact).norm()
    # Halving the step divides the error by 2^order; higher terms move that by 0.02 at most here.
    assert abs(math.log2(coarse / fine) - ORDERS[name]) < 0.1


def test_constant_acceleration_is_exact_in_free_fall():
    q, v = torch.tensor([2.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    moved, change = INTEGRATORS["constant_acceleration"](
        lambda q, v: (v, torch.full_like(v, -9.81)), advance, q, v, 0.5
    )
    # float64 rounding
    assert moved.item() == pytest.approx(0.5 - 0.5 * 9.81 * 0.25, abs=1e-14)
    assert change.item() == pytest.approx(-9.81 * 0.5, abs=1e-14)


@pytest.mark.parametrize(("name", "drift"), [("midpoint", 1e-3), ("rk4", 1e-8)])
def test_a_frictionless_pendulum_keeps_its_energy(name, drift):
    q, v = torch.tensor([1.0], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    start = 0.5 * v**2 - 9.81 * q.cos()
    for _ in range(1000):
        moved, change = INTEGRATORS[name](pendulum, advance, q, v, 0.005)
        q, v = q + moved, v + change
    # Measured: 5.9e-5 for midpoint and 1.0e-9 for rk4, over 5 s.
    assert abs((0.5 * v**2 - 9.81 * q.cos() - start).item()) < drift
