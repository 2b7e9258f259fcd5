"""What an MJCF lacks, found by `mujoco.sysid`: friction, damping, armature, gains, contacts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from learned_envs.data.recording import Recording
from learned_envs.errors import DependencyError, LogError
from learned_envs.files import writing
from learned_envs.logs.physics import physics_of, rolled, tangent
from learned_envs.logs.quantities import Quantity, quantities_of
from learned_envs.logs.states import PENDING
from learned_envs.logs.stream import Array
from learned_envs.systems.spec import SystemSpec

PIECES = ((12, 128), (30, 256))
"""Steps of the pieces of recordings that physics are fitted to, and how many: long ones tell more,
but only near what is right."""

ITERATIONS = 15

STRIDE = 0.05
"""Share of a value by which it is changed to see what comes of it."""

SMALL = 1e-4
"""Where a parameter that is zero begins, in its own unit: at zero nothing pulls it."""


@dataclass(frozen=True)
class Identified:
    """What was found.

    Attributes:
        model: with the values that were found.
        before: values of the MJCF, by name.
        after: values that were found, by name.
        margins: half of their 95 percent intervals, by name; infinite if recordings do not tell.
        ends: names of those that are at an end of what they may be.
        errors: mean squares of standardised residuals, before and after.
        file: the MJCF.
    """

    model: mujoco.MjModel
    before: dict[str, float]
    after: dict[str, float]
    margins: dict[str, float]
    ends: tuple[str, ...]
    errors: tuple[float, float]
    file: Path

    def save(self, path: Path, readings: int) -> None:
        """Write the MJCF with the values that were found.

        Args:
            path: where to.
            readings: how many numbers of `userdata` it shall have.

        Raises:
            OutputError: if it cannot be written.
        """
        written = mujoco.MjSpec.from_file(str(self.file))
        written.nuserdata = readings
        # Meshes are found from elsewhere, too.
        written.meshdir = str((self.file.parent / written.meshdir).resolve())
        written.texturedir = str((self.file.parent / written.texturedir).resolve())
        compiled = written.compile()
        for quantity in quantities_of(compiled):
            if quantity.name in self.after:
                quantity.put(compiled, self.after[quantity.name])
        for joint in written.joints:
            if joint.type == mujoco.mjtJoint.mjJNT_FREE:
                body = int(compiled.joint(joint.name).bodyid[0])
                parent = joint.parent
                # In place of what its shapes say.
                parent.explicitinertial, parent.mass = True, compiled.body_mass[body]
                parent.inertia = compiled.body_inertia[body]
                parent.ipos, parent.iquat = compiled.body_ipos[body], compiled.body_iquat[body]
            else:
                dof = int(compiled.joint(joint.name).dofadr[0])
                # MuJoCo 4 has coefficients of higher powers of the velocity beside it.
                damping = np.array(joint.damping, dtype=np.float64)
                damping.flat[0] = np.ravel(compiled.dof_damping[dof])[0]
                joint.damping = damping if damping.ndim else float(damping)
                joint.frictionloss = compiled.dof_frictionloss[dof]
                joint.armature = compiled.dof_armature[dof]
        for index, actuator in enumerate(written.actuators):
            actuator.gainprm = compiled.actuator_gainprm[index]
            actuator.biasprm = compiled.actuator_biasprm[index]
        for index, geom in enumerate(written.geoms):
            geom.friction = compiled.geom_friction[index]
            geom.solref = compiled.geom_solref[index]
            geom.solimp = compiled.geom_solimp[index]
        with writing(path):
            path.write_text(written.to_xml())


@dataclass(frozen=True)
class Windows:
    """Pieces of recordings.

    Attributes:
        q: (windows, steps + 1, nq).
        v: (windows, steps + 1, nv).
        controls: (windows, steps, nu), as they had their effect.
        scale: (2 nv,) typical change over a piece.
    """

    q: Array
    v: Array
    controls: Array
    scale: Array

    @classmethod
    def drawn(cls, recording: Recording, spec: SystemSpec, steps: int, count: int) -> Windows:
        """Draw pieces; all of the recording's episodes have as many chances as steps."""
        rows = recording.windows(steps)
        rng = np.random.default_rng(0)
        rows = np.sort(rng.choice(rows, min(count, len(rows)), replace=False))
        index = rows[:, None] + np.arange(steps + 1)
        q, v = recording.qpos[index], recording.qvel[index]
        told = recording.actions.astype(np.float64)
        if PENDING in recording.columns:
            told = recording.columns[PENDING][:, : spec.nu]
        moved = tangent(spec, q[:, -1:], v[:, -1:], q[:, :1], v[:, :1])
        scale = np.sqrt(np.square(moved).mean((0, 1)))
        scale[scale < 1e-9] = np.inf
        return cls(q, v, told[index[:, :-1]], scale)

    def touch(self, model: mujoco.MjModel) -> bool:
        """Whether anything touches in them."""
        data = mujoco.MjData(model)
        for position in self.q.reshape(-1, self.q.shape[-1]):
            data.qpos[:] = position
            mujoco.mj_fwdPosition(model, data)
            if data.ncon:
                return True
        return False

    def residual(self, model: mujoco.MjModel, spec: SystemSpec) -> Array:
        """Return how far a model is off, in typical changes, (n,)."""
        q, v = rolled(model, spec, self.q[:, 0], self.v[:, 0], self.controls)
        off = tangent(spec, q, v, self.q[:, 1:], self.v[:, 1:]) / self.scale
        # What blows up, or meets a corner otherwise, must not rule the rest.
        return np.asarray(np.arctan(np.nan_to_num(off, nan=1e3)).ravel())


def identify(model_file: Path, recording: Recording, spec: SystemSpec) -> Identified:
    """Fit a model's friction, damping, armature, gains and contacts to recordings.

    Args:
        model_file: an MJCF or a URDF.
        recording: of it.
        spec: its system.

    Raises:
        DependencyError: if the extra of MuJoCo's for this is not installed.
        LogError: if no episode is long enough.
    """
    model = physics_of(model_file, spec)
    stages = [Windows.drawn(recording, spec, *p) for p in PIECES if len(recording.windows(p[0]))]
    if not stages:
        raise LogError(f"No episode has {PIECES[0][0]} steps, which physics are fitted to.")
    physics = _Physics(model, spec, [*quantities_of(model, stages[-1].touch(model))])
    before = physics.values
    first = stages[-1].residual(model, spec)
    x = _start(physics, stages[0])
    for windows in stages:
        x = _optimised(physics, windows, x)
    slopes = _slopes(physics, stages[-1], x)
    last = physics.residual(stages[-1], x)
    _, margins = _sysid().calculate_intervals([last], slopes)
    margin = {q.name: float(each) for q, each in zip(physics.quantities, margins, strict=True)}
    ends = [q.name for q, value in zip(physics.quantities, x, strict=True) if q.at_end(value)]
    errors = float(np.square(first).mean()), float(np.square(last).mean())
    return Identified(model, before, physics.values, margin, tuple(ends), errors, model_file)


def _sysid() -> Any:
    try:
        from mujoco import sysid
    except ImportError as error:
        raise DependencyError(
            'Fitting physics needs mujoco.sysid: pip install "learned-envs[logs]".'
        ) from error
    return sysid


@dataclass(frozen=True)
class _Physics:
    """A model whose numbers change."""

    model: mujoco.MjModel
    spec: SystemSpec
    quantities: Sequence[Quantity]

    @property
    def values(self) -> dict[str, float]:
        """What the model's numbers are, by name."""
        return {quantity.name: quantity.get(self.model) for quantity in self.quantities}

    def residual(self, windows: Windows, x: Array) -> Array:
        """Return how far the model with these numbers is off, (n,)."""
        for quantity, value in zip(self.quantities, np.ravel(x), strict=True):
            quantity.put(self.model, float(value))
        return windows.residual(self.model, self.spec)


def _start(physics: _Physics, windows: Windows) -> Array:
    """Return where to begin: what fits best of the model's own values and those worth a try.

    Motion with contacts has many minima, so that the way down from a wrong friction ends early.
    """
    own = [max(q.get(physics.model), q.low + SMALL) for q in physics.quantities]
    tries = [q.tries or (value,) for q, value in zip(physics.quantities, own, strict=True)]
    starts = [np.array(own), *map(np.array, product(*tries))]
    return min(starts, key=lambda x: float(np.square(physics.residual(windows, x)).mean()))


def _optimised(physics: _Physics, windows: Windows, start: Array) -> Array:
    """Return what MuJoCo's optimiser finds from a start."""
    sysid = _sysid()
    parameters = sysid.ParameterDict()
    for quantity, value in zip(physics.quantities, start, strict=True):
        parameters.add(sysid.Parameter(quantity.name, value, quantity.low, quantity.high))

    def residual(x: Array, *_: Any) -> Any:
        # MuJoCo's differences come as several vectors, one a column.
        x = np.asarray(x)
        if x.ndim == 1:
            return [physics.residual(windows, x)], None, None
        return [np.stack([physics.residual(windows, column) for column in x.T], 1)], None, None

    with redirect_stdout(StringIO()):
        found, _ = sysid.optimize(
            parameters, residual, "mujoco", verbose=False, max_iters=ITERATIONS, x_scale="jac"
        )
    return np.asarray(found.as_vector())


def _slopes(physics: _Physics, windows: Windows, x: Array) -> Array:
    """Return derivatives of residuals by large steps, (n, quantities).

    Those by the optimiser's tiny ones see the corners of contacts, and not the way between them.
    """
    columns = []
    for place, quantity in enumerate(physics.quantities):
        step = max(STRIDE * abs(x[place]), STRIDE**2 * (quantity.high - quantity.low))
        low, high = x.copy(), x.copy()
        low[place] = max(x[place] - step, quantity.low)
        high[place] = min(x[place] + step, quantity.high)
        change = physics.residual(windows, high) - physics.residual(windows, low)
        columns.append(change / (high[place] - low[place]))
    return np.stack(columns, 1)
