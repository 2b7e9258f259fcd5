"""Fixed-step integrators.

A vector field maps q and v to the rate of q, in its tangent space, and the acceleration. The
action is held constant over the step, as MuJoCo holds `ctrl`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

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

    Exact for a field that is the mean acceleration of the step, which is what a network
    trained on whole steps becomes; order 1 for any other.
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
    """Classical Runge-Kutta, as MuJoCo's RK4. Order 4 where q has no free joint."""
    r1, a1 = field(q, v)
    r2, a2 = field(advance(q, 0.5 * h * r1), v + 0.5 * h * a1)
    r3, a3 = field(advance(q, 0.5 * h * r2), v + 0.5 * h * a2)
    r4, a4 = field(advance(q, h * r3), v + h * a3)
    return h / 6 * (r1 + 2 * r2 + 2 * r3 + r4), h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


INTEGRATORS: dict[str, Integrator] = {
    "semi_implicit_euler": semi_implicit_euler,
    "constant_acceleration": constant_acceleration,
    "midpoint": midpoint,
    "rk4": rk4,
}
