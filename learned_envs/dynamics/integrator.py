"""Integrators: fixed steps of our own, and torchdiffeq's adaptive ones.

A vector field maps q and v to the rate of q, in its tangent space, and the acceleration. The
action is held constant over the step, as MuJoCo holds `ctrl`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint

ITERATIONS = 5
"""Fixed-point iterations of an implicit step."""

RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-6
"""Tolerances of the adaptive integrators: what float32 can still tell apart."""

Field = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(q, v) -> (rate of q, acceleration), (*batch, nv) each."""

Advance = Callable[[Tensor, Tensor], Tensor]
"""(q, displacement in the tangent space) -> q."""

Integrator = Callable[[Field, Advance, Tensor, Tensor, float], tuple[Tensor, Tensor]]
"""(field, advance, q, v, h) -> (displacement of q, change of v) over `h` seconds."""


def semi_implicit_euler(
    field: Field, advance: Advance, q: Tensor, v: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """Velocity first, then position with the new velocity: MuJoCo's Euler. Order 1."""
    rate, acceleration = field(q, v)
    return h * (rate + h * acceleration), h * acceleration


def constant_acceleration(
    field: Field, advance: Advance, q: Tensor, v: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """Hold the acceleration over the step, so that position moves by the mean velocity.

    It is exact if the field is the mean acceleration of the step: a network that is trained on
    whole steps becomes that. For any other field it has order 1.
    """
    rate, acceleration = field(q, v)
    return h * (rate + 0.5 * h * acceleration), h * acceleration


def midpoint(
    field: Field, advance: Advance, q: Tensor, v: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """Explicit midpoint rule. Order 2."""
    rate, acceleration = field(q, v)
    rate, acceleration = field(advance(q, 0.5 * h * rate), v + 0.5 * h * acceleration)
    return h * rate, h * acceleration


def rk4(field: Field, advance: Advance, q: Tensor, v: Tensor, h: float) -> tuple[Tensor, Tensor]:
    """Classical Runge-Kutta, as MuJoCo's RK4. Order 4 if q has no free joint."""
    r1, a1 = field(q, v)
    r2, a2 = field(advance(q, 0.5 * h * r1), v + 0.5 * h * a1)
    r3, a3 = field(advance(q, 0.5 * h * r2), v + 0.5 * h * a2)
    r4, a4 = field(advance(q, h * r3), v + h * a3)
    return h / 6 * (r1 + 2 * r2 + 2 * r3 + r4), h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


def implicit_midpoint(
    field: Field, advance: Advance, q: Tensor, v: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """Implicit midpoint rule, by fixed-point iteration. Order 2; symplectic for a Hamiltonian.

    The iteration converges if a step is short compared to the fastest motion.
    """
    rate, acceleration = field(q, v)
    for _ in range(ITERATIONS):
        rate, acceleration = field(advance(q, 0.5 * h * rate), v + 0.5 * h * acceleration)
    return h * rate, h * acceleration


class Adaptive:
    """One of torchdiffeq's solvers with adaptive steps (Chen et al., NeurIPS 2018).

    Positions are integrated in the tangent space of the place where the step began.
    """

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(
        self, field: Field, advance: Advance, q: Tensor, v: Tensor, h: float
    ) -> tuple[Tensor, Tensor]:
        """Integrate over `h` seconds; see `Integrator`."""
        return self._solve(odeint, field, advance, q, v, h)

    def _solve(
        self,
        solver: Callable[..., tuple[Tensor, Tensor]],
        field: Field,
        advance: Advance,
        q: Tensor,
        v: Tensor,
        h: float,
        **settings: Any,
    ) -> tuple[Tensor, Tensor]:
        def rates(_: Tensor, y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return field(advance(q, y[0]), y[1])

        # Members that share a state at first do not later, but the solver needs one shape.
        v = v.expand_as(field(q, v)[1])
        times = torch.tensor([0.0, h], dtype=v.dtype, device=v.device)
        moved, reached = solver(
            rates,
            (torch.zeros_like(v), v),
            times,
            rtol=RELATIVE_TOLERANCE,
            atol=ABSOLUTE_TOLERANCE,
            method=self.method,
            **settings,
        )
        return moved[-1], reached[-1] - v


class Adjoint(Adaptive):
    """An adaptive solver whose gradients are the adjoint equation's.

    Their memory does not grow with the number of steps.
    """

    def __call__(
        self,
        field: Field,
        advance: Advance,
        q: Tensor,
        v: Tensor,
        h: float,
        held: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Integrate over `h` seconds; see `Integrator`.

        Args:
            field: the vector field.
            advance: moves q.
            q: (*batch, nq).
            v: (*batch, nv).
            h: seconds.
            held: what else the field depends on that gradients must reach.
        """
        needed = tuple(tensor for tensor in (q, *held) if tensor.requires_grad)
        return self._solve(odeint_adjoint, field, advance, q, v, h, adjoint_params=needed)


GENERAL: dict[str, Integrator] = {
    "midpoint": midpoint,
    "implicit_midpoint": implicit_midpoint,
    "rk4": rk4,
    "dopri5": Adaptive("dopri5"),
    "dopri5_adjoint": Adjoint("dopri5"),
}
"""Those that take any pair of rates, even if `v` is a momentum."""

INTEGRATORS: dict[str, Integrator] = {
    "semi_implicit_euler": semi_implicit_euler,
    "constant_acceleration": constant_acceleration,
    **GENERAL,
}
"""All of them. The first two need `v` to be the rate of `q`, but for a small correction."""
