"""What is mounted on a real system's bodies: a compiled MuJoCo model's `Equipment`."""

from __future__ import annotations

from typing import Any, Literal

import mujoco
import numpy as np

from learned_envs.systems.equipment import Actuator, Equipment, MjcfSensor, Site, Tendon
from learned_envs.systems.vector import Vector

Array = np.ndarray[Any, Any]

_SCALAR = (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE)

_ON_JOINTS = {"JOINT": (*_SCALAR, mujoco.mjtJoint.mjJNT_FREE), "JOINTINPARENT": _SCALAR}
"""Kinds of joints whose actuators are computed, by the transmission."""

_INTEGRATORS: dict[str, Literal["Euler", "RK4", "implicit", "implicitfast"]] = {
    "EULER": "Euler",
    "RK4": "RK4",
    "IMPLICIT": "implicit",
    "IMPLICITFAST": "implicitfast",
}
_TRANSMISSIONS: dict[str, Literal["joint", "tendon", "site"]] = {
    "JOINT": "joint",
    "JOINTINPARENT": "joint",
    "TENDON": "tendon",
    "SITE": "site",
}
_GAINS: dict[str, Literal["fixed", "affine", "muscle"]] = {
    "FIXED": "fixed",
    "AFFINE": "affine",
    "MUSCLE": "muscle",
}
_BIASES: dict[str, Literal["none", "affine", "muscle"]] = {
    "NONE": "none",
    "AFFINE": "affine",
    "MUSCLE": "muscle",
}
_DYNAMICS: dict[str, Literal["none", "integrator", "filter", "filter_exact", "muscle"]] = {
    "NONE": "none",
    "INTEGRATOR": "integrator",
    "FILTER": "filter",
    "FILTEREXACT": "filter_exact",
    "MUSCLE": "muscle",
}


def describe_equipment(model: mujoco.MjModel) -> Equipment:
    """Return what is mounted on the bodies of a compiled model, and how MuJoCo steps it.

    What cannot be computed from it later is marked as such, and is no error here.
    """
    mocap = sorted(
        (int(model.body_mocapid[body]), body)
        for body in range(model.nbody)
        if model.body_mocapid[body] >= 0
    )
    return Equipment(
        integrator=_INTEGRATORS.get(_word("Integrator", "INT", model.opt.integrator), "other"),
        sites=tuple(_site(model, index) for index in range(model.nsite)),
        tendons=tuple(_tendon(model, index) for index in range(model.ntendon)),
        actuators=tuple(_actuator(model, index) for index in range(len(model.actuator_trntype))),
        sensors=tuple(_sensor(model, index) for index in range(model.nsensor)),
        mocap=tuple(body for _, body in mocap),
        magnetic=_vector(model.opt.magnetic),
        joint_force_ranges=tuple(
            (index, float(model.jnt_actfrcrange[index, 0]), float(model.jnt_actfrcrange[index, 1]))
            for index in range(model.njnt)
            if model.jnt_actfrclimited[index]
        ),
        clips_controls=not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_CLAMPCTRL,
        actuated=not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_ACTUATION,
        gravity_compensated=bool(model.jnt_actgravcomp.any() and model.body_gravcomp.any()),
    )


def _site(model: mujoco.MjModel, index: int) -> Site:
    return Site(
        body=int(model.site_bodyid[index]),
        name=model.site(index).name,
        pos=_vector(model.site_pos[index]),
        quat=_vector(model.site_quat[index]),
    )


def _tendon(model: mujoco.MjModel, index: int) -> Tendon:
    start, count = model.tendon_adr[index], model.tendon_num[index]
    steps = slice(start, start + count)
    objects, numbers = model.wrap_objid[steps], model.wrap_prm[steps]
    kinds = [_word("Wrap", "WRAP", kind) for kind in model.wrap_type[steps]]
    name = model.tendon(index).name
    # Older versions of MuJoCo have no such limits.
    limited = getattr(model, "tendon_actfrclimited", None)
    force_range = None
    if limited is not None:
        force_range = _range(limited, model.tendon_actfrcrange, index)
    if {*kinds} == {"JOINT"}:
        joints = tuple((int(j), float(n)) for j, n in zip(objects, numbers, strict=True))
        return Tendon("fixed", name, joints=joints, force_range=force_range)
    if not {*kinds} <= {"SITE", "PULLEY"}:
        return Tendon("wrapped", name, force_range=force_range)
    path: list[tuple[int, int, float]] = []
    last, divisor = -1, 1.0
    for kind, site, number in zip(kinds, objects, numbers, strict=True):
        if kind == "PULLEY":
            last, divisor = -1, float(number)
            continue
        if last >= 0:
            path.append((last, int(site), divisor))
        last = int(site)
    return Tendon("spatial", name, path=tuple(path), force_range=force_range)


def _actuator(model: mujoco.MjModel, index: int) -> Actuator:
    start = int(model.actuator_actadr[index])
    target, reference = map(int, model.actuator_trnid[index])
    acts_on = _word("Trn", "TRN", model.actuator_trntype[index])
    kinds = _ON_JOINTS.get(acts_on)
    if kinds and int(model.jnt_type[target]) not in kinds:
        acts_on = "other"
    if acts_on == "SITE" and reference >= 0 and model.actuator_gear[index, 3:].any():
        # Versions of MuJoCo disagree on the angles between two sites.
        acts_on = "other"
    rule = _word("Dyn", "DYN", model.actuator_dyntype[index])
    if _unusual(model, index):
        acts_on, rule = "other", "other"
    group = int(model.actuator_group[index])
    return Actuator(
        transmission=_TRANSMISSIONS.get(acts_on, "other"),
        target=target,
        name=model.actuator(index).name,
        reference=reference if acts_on == "SITE" else -1,
        gear=_vector(model.actuator_gear[index]),
        gain=_GAINS.get(_word("Gain", "GAIN", model.actuator_gaintype[index]), "other"),
        gain_parameters=_trimmed(model.actuator_gainprm[index]),
        bias=_BIASES.get(_word("Bias", "BIAS", model.actuator_biastype[index]), "other"),
        bias_parameters=_trimmed(model.actuator_biasprm[index]),
        dynamics=_DYNAMICS.get(rule, "other"),
        dynamics_parameters=_trimmed(model.actuator_dynprm[index]),
        activation=start,
        early=bool(model.actuator_actearly[index]),
        control_range=_range(model.actuator_ctrllimited, model.actuator_ctrlrange, index),
        force_range=_range(model.actuator_forcelimited, model.actuator_forcerange, index),
        activation_range=_range(model.actuator_actlimited, model.actuator_actrange, index),
        length_range=_vector(model.actuator_lengthrange[index]),
        acceleration=float(model.actuator_acc0[index]),
        disabled=0 <= group <= 30 and bool(model.opt.disableactuator & (1 << group)),
    )


def _unusual(model: mujoco.MjModel, index: int) -> bool:
    """Whether an actuator is a plugin, has several inputs, outputs or activations, or a delay.

    Older versions of MuJoCo have no arrays for some of these.
    """
    several = getattr(model, "nactuator", model.nu) != model.nu
    several |= getattr(model, "nout", model.nu) != model.nu
    arrays = ("actuator_delay", "actuator_damping", "actuator_dampingpoly", "actuator_historyadr")
    usual = (0, 0, 0, -1)
    return bool(
        several
        or model.actuator_plugin[index] >= 0
        or model.actuator_actnum[index] > 1
        or any(
            np.any(getattr(model, name)[index] != value)
            for name, value in zip(arrays, usual, strict=True)
            if hasattr(model, name)
        )
    )


def _sensor(model: mujoco.MjModel, index: int) -> MjcfSensor:
    cutoff = float(model.sensor_cutoff[index])
    numbers = _word("DataType", "DATATYPE", model.sensor_datatype[index])
    delayed = any(
        np.any(getattr(model, name)[index] > 0)
        for name in ("sensor_delay", "sensor_interval")
        if hasattr(model, name)
    )
    return MjcfSensor(
        kind=_word("Sensor", "SENS", model.sensor_type[index]).lower(),
        size=int(model.sensor_dim[index]),
        start=int(model.sensor_adr[index]),
        name=model.sensor(index).name,
        of=_object(model.sensor_objtype[index]),
        object=int(model.sensor_objid[index]),
        reference_of=_object(model.sensor_reftype[index]),
        reference=int(model.sensor_refid[index]),
        cutoff=max(cutoff, 0.0) if numbers in ("REAL", "POSITIVE") else 0.0,
        delayed=delayed,
    )


def _object(kind: int) -> str:
    word = _word("Obj", "OBJ", kind).lower()
    return "" if word == "unknown" else word


def _word(kind: str, prefix: str, value: int) -> str:
    """Return the name of a value of one of MuJoCo's enumerations, without its prefix."""
    name: str = getattr(mujoco, f"mjt{kind}")(int(value)).name
    return name.removeprefix(f"mj{prefix}_")


def _range(limited: Array, ranges: Array, index: int) -> Vector | None:
    return _vector(ranges[index]) if limited[index] else None


def _trimmed(values: Array) -> Vector:
    """Return numbers without the zeros at their end."""
    return _vector(values[: int(np.flatnonzero(values).max(initial=-1)) + 1])


def _vector(values: Array) -> Vector:
    return tuple(values.tolist())
