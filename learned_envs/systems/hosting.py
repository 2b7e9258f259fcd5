"""Physics by a model for an environment's own `step()`: what it calls moves where a model says.

Derived quantities (`xpos`, `cvel`, `sensordata`, contacts, their forces) are MuJoCo's own, of the
state that the model predicts. `mj_step` leaves them one solver step behind q and v. Where that is,
is known of the integrators that move q by the new v: one step of v back. v is taken to have changed
evenly over the environment's step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np

from learned_envs.errors import SystemSpecError

Array = np.ndarray[Any, Any]

STEPS = ("mj_step", "mj_step2", "mj_rnePostConstraint")
"""The functions of MuJoCo that are answered. `mj_step1` moves nothing, and stays as it is."""


@dataclass(frozen=True)
class Moved:
    """Where one step of an environment takes its system.

    Attributes:
        q: (nq) float64.
        v: (nv) float64.
        arrays: of MuJoCo's data by name, in place of what MuJoCo makes of q and v. A pair has the
            index in the flattened array, and the values there.
    """

    q: Array
    v: Array
    arrays: Mapping[str, tuple[Any, Array]] = field(default_factory=lambda: MappingProxyType({}))


Move = Callable[[mujoco.MjModel, mujoco.MjData], Moved | None]
"""From MuJoCo's model and data, as an environment hands them to physics, to where they move; None
if they stay."""


class Hosting:
    """One step of an environment, during which a model moves its data.

    It is a context. Inside of it MuJoCo's functions, looked up in the module `mujoco`, move this
    data as the model says. All other data, in this thread and in others, move as always.
    """

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, solver_steps: int, move: Move
    ) -> None:
        """Prepare.

        Args:
            model: the environment's.
            data: the environment's.
            solver_steps: how many steps of the solver one step of the environment takes.
            move: the model. It is asked at the first call of physics, and answers for all of them.
                Between them, the system is on the straight line to the end.
        """
        self._model, self._data = model, data
        self._steps, self._move = solver_steps, move
        self._taken = 0
        self._moved: Moved | None = None
        self._from = (data.qpos, data.qvel)

    def __enter__(self) -> Hosting:
        """Begin to answer for the data."""
        _install(self._data, self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Hand the data back to MuJoCo.

        Raises:
            SystemSpecError: if the environment moved its data otherwise than it was to.
        """
        _remove(self._data)
        if kind is None and self._taken != self._steps:
            raise SystemSpecError(
                f"step() took {self._taken} solver steps by mujoco.mj_step, expected "
                f"{self._steps}, one environment step. Let it take as many in every step, and call "
                "mujoco.mj_step by this name: `from mujoco import mj_step` cannot be hosted."
            )

    def step(self, count: int) -> None:
        """Answer for some steps of the solver."""
        model, data = self._model, self._data
        if not self._taken:
            self._from = (data.qpos.copy(), data.qvel.copy())
            self._moved = self._move(model, data) or Moved(*self._from)
        assert self._moved is not None
        self._taken += count
        if model.na:
            data.act[:] = _activation(model, data, count)
        q, v, change = self._at(min(self._taken / self._steps, 1.0))
        if model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
            # Its last stage is near where the step ends.
            self._forward(q, v)
        else:
            behind = q.copy()
            mujoco.mj_integratePos(model, behind, v, -model.opt.timestep)
            self._forward(behind, v - change / self._steps)
        data.qpos[:], data.qvel[:] = q, v
        for _ in range(count):
            # As MuJoCo does, so that both round alike.
            data.time += model.opt.timestep
        self.write()

    def write(self) -> None:
        """Put what the model says of MuJoCo's arrays where MuJoCo has put its own."""
        if self._moved is not None and self._taken >= self._steps:
            for name, (index, values) in self._moved.arrays.items():
                getattr(self._data, name).reshape(-1)[index] = values

    def _at(self, fraction: float) -> tuple[Array, Array, Array]:
        """Return q, v, and the change of v, after a fraction of the environment's step."""
        assert self._moved is not None
        (q, v), end = self._from, self._moved
        change = end.v - v
        if fraction == 1.0:
            return end.q, end.v, change
        way, between = np.zeros(len(v)), q.copy()
        mujoco.mj_differentiatePos(self._model, way, 1.0, q, end.q)
        mujoco.mj_integratePos(self._model, between, way, fraction)
        return between, v + fraction * change, change

    def _forward(self, q: Array, v: Array) -> None:
        self._data.qpos[:], self._data.qvel[:] = q, v
        mujoco.mj_forward(self._model, self._data)


_lock = threading.Lock()
_hosted: dict[int, Hosting] = {}
_real: dict[str, Callable[..., None]] = {}


def _install(data: mujoco.MjData, hosting: Hosting) -> None:
    with _lock:
        if not _hosted:
            _real.update({name: getattr(mujoco, name) for name in STEPS})
            for name, answer in zip(STEPS, (_step, _step2, _rne_post_constraint), strict=True):
                setattr(mujoco, name, answer)
        _hosted[id(data)] = hosting


def _remove(data: mujoco.MjData) -> None:
    with _lock:
        del _hosted[id(data)]
        if not _hosted:
            for name, function in _real.items():
                setattr(mujoco, name, function)


# Named as MuJoCo's functions name them, because they may be given by name.
def _step(m: mujoco.MjModel, d: mujoco.MjData, nstep: int = 1) -> None:
    hosting = _hosted.get(id(d))
    if hosting is None:
        _real["mj_step"](m, d, nstep)
    else:
        hosting.step(nstep)


def _step2(m: mujoco.MjModel, d: mujoco.MjData) -> None:
    hosting = _hosted.get(id(d))
    if hosting is None:
        _real["mj_step2"](m, d)
    else:
        hosting.step(1)


def _rne_post_constraint(m: mujoco.MjModel, d: mujoco.MjData) -> None:
    _real["mj_rnePostConstraint"](m, d)
    hosting = _hosted.get(id(d))
    if hosting is not None:
        hosting.write()


def _activation(model: mujoco.MjModel, data: mujoco.MjData, count: int) -> Array:
    """Return the actuators' activations after some steps of the solver, (na).

    They depend on the controls alone. MuJoCo itself knows how, so it takes these steps elsewhere.
    """
    elsewhere = mujoco.MjData(model)
    elsewhere.qpos[:], elsewhere.ctrl[:], elsewhere.act[:] = data.qpos, data.ctrl, data.act
    mujoco.mj_step(model, elsewhere, count)
    return np.array(elsewhere.act)
