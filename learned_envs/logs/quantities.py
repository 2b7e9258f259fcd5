"""What of a model's physics can be told by its motion: numbers that an optimiser may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

AT_END = 1e-3
"""Of a quantity's range: what is as near to an end is there."""


@dataclass(frozen=True)
class Quantity:
    """A number of a model.

    Attributes:
        name: as a person calls it.
        low: the least that it can be.
        high: the most.
        get: reads it from a model.
        put: writes it.
        tries: where a search may begin, beside the model's own value.
    """

    name: str
    low: float
    high: float
    get: Callable[[mujoco.MjModel], float]
    put: Callable[[mujoco.MjModel, float], None]
    tries: tuple[float, ...] = ()

    def at_end(self, value: float) -> bool:
        """Whether a value is at an end of what it can be; zero, where there is none, is no end."""
        near = AT_END * (self.high - self.low)
        return self.high - value < near or (self.low > 0 and value - self.low < near)


def quantities_of(model: mujoco.MjModel, touches: bool = True) -> Iterator[Quantity]:
    """Give what is fitted: of each joint, of each actuator, and, if it touches anything, of that.

    Args:
        model: the physics.
        touches: whether there are contacts that could tell.
    """
    for index in range(model.njnt):
        name, dof = model.joint(index).name, int(model.jnt_dofadr[index])
        if int(model.jnt_type[index]) == int(mujoco.mjtJoint.mjJNT_FREE):
            yield _inertia(name, int(model.jnt_bodyid[index]), model)
            continue
        inertia = float(model.dof_M0[dof])
        damping = (dof, 0) if model.dof_damping.ndim > 1 else dof
        yield _number(f"{name} damping", "dof_damping", damping, 0.0, 100.0 * inertia)
        yield _number(f"{name} friction", "dof_frictionloss", dof, 0.0, 100.0 * inertia)
        yield _number(f"{name} armature", "dof_armature", dof, 0.0, 10.0 * inertia)
    for index in range(model.nu):
        yield _gain(model, index)
    if touches and model.ngeom:
        yield from _contact(model)


def _number(name: str, array: str, place: Any, low: float, high: float) -> Quantity:
    """Return one number of one of MuJoCo's arrays."""

    def get(model: mujoco.MjModel) -> float:
        return float(getattr(model, array)[place])

    def put(model: mujoco.MjModel, value: float) -> None:
        getattr(model, array)[place] = value

    return Quantity(name, low, high, get, put)


def _inertia(name: str, body: int, model: mujoco.MjModel) -> Quantity:
    """Return how often its file's inertia a free body has: nobody weighs where its mass lies."""
    own = model.body_inertia[body].copy()

    def put(model: mujoco.MjModel, value: float) -> None:
        model.body_inertia[body] = own * value
        # Bodies of one joint take what was computed of it when the model was made.
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def get(model: mujoco.MjModel) -> float:
        return float(model.body_inertia[body, 0] / own[0])

    return Quantity(f"{name} inertia, times", 0.3, 3.0, get, put)


def _gain(model: mujoco.MjModel, index: int) -> Quantity:
    """Return an actuator's gain; a bias that is proportional to it, of a servo, follows."""
    gain, bias = model.actuator_gainprm[index, 0], model.actuator_biasprm[index].copy()

    def put(model: mujoco.MjModel, value: float) -> None:
        model.actuator_gainprm[index, 0] = value
        model.actuator_biasprm[index] = bias * (value / gain)

    name = model.actuator(index).name or str(index)
    return Quantity(
        f"{name} gain", 0.1 * gain, 10.0 * gain, lambda m: float(m.actuator_gainprm[index, 0]), put
    )


def _contact(model: mujoco.MjModel) -> Iterator[Quantity]:
    """Give what all contacts share: friction, and how stiff and how damped they are."""
    yield _shared(model, "friction", "geom_friction", 0, (0.01, 3.0), (0.1, 0.2, 0.4, 0.8))
    if np.all(model.geom_solref > 0):
        # MuJoCo takes two steps for any that is shorter.
        ends = 2.0 * model.opt.timestep, 0.1
        yield _shared(model, "time", "geom_solref", 0, ends, (0.005, 0.01, 0.02))
        yield _shared(model, "damping ratio", "geom_solref", 1, (0.05, 3.0), (0.3, 1.0))
    yield _shared(model, "impedance", "geom_solimp", 0, (0.001, 0.95), (0.1, 0.9))
    yield _shared(model, "width", "geom_solimp", 2, (1e-4, 0.05), (0.001, 0.01))


def _shared(
    model: mujoco.MjModel,
    name: str,
    array: str,
    place: int,
    ends: tuple[float, float],
    tries: tuple[float, ...],
) -> Quantity:
    """Return a number of all shapes; what the file has it differ by stays as a factor."""
    own = getattr(model, array)[:, place].copy()
    most = float(own.max())

    def get(model: mujoco.MjModel) -> float:
        return float(getattr(model, array)[:, place].max())

    def put(model: mujoco.MjModel, value: float) -> None:
        getattr(model, array)[:, place] = own * (value / most)

    return Quantity(f"contact {name}", *ends, get, put, tries)
