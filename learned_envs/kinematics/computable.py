"""Which of MuJoCo's arrays and sensors follow from q, v, controls, activations and leaves."""

from __future__ import annotations

from collections.abc import Iterable

from learned_envs.systems.equipment import Equipment, MjcfSensor

FRAMES = ("xbody", "body", "geom", "site")

OF_BODIES = (
    *("xpos", "xquat", "xmat", "xipos", "ximat", "xiquat", "geom_xpos", "geom_xmat"),
    *("geom_xquat", "site_xpos", "site_xmat", "site_xquat", "xanchor", "xaxis"),
    *("subtree_com", "cvel", "cinert", "cdof"),
)

OF_JOINTS = ("jointpos", "jointvel")
OF_TENDONS = ("tendonpos", "tendonvel")
OF_ACTUATORS = ("actuatorpos", "actuatorvel")
FORCES = {"actuatorfrc": "actuator", "jointactfrc": "joint", "tendonactfrc": "tendon"}
IN_FRAMES = (
    *("framepos", "framequat", "framexaxis", "frameyaxis", "framezaxis"),
    *("framelinvel", "frameangvel"),
)
AT_SITES = ("gyro", "velocimeter", "magnetometer")
OF_SUBTREES = ("subtreecom", "subtreelinvel", "subtreeangmom")

OBJECTS = {
    **dict.fromkeys(OF_JOINTS, "joint"),
    **dict.fromkeys(OF_TENDONS, "tendon"),
    **dict.fromkeys(OF_ACTUATORS, "actuator"),
    **FORCES,
    **dict.fromkeys(AT_SITES, "site"),
    **dict.fromkeys(OF_SUBTREES, "body"),
}
"""Kinds of sensors that are computed and what they are of; those in frames are of any frame."""


def computable(name: str, equipment: Equipment) -> bool:
    """Whether `Derived` computes one of MuJoCo's arrays, or a sensor.

    What depends on accelerations, contacts or constraints is not, nor what depends on a tendon
    around shapes or on a plugin.

    Args:
        name: of an array, such as "xpos"; "sensor.NAME" of a sensor, by index if it has no name.
        equipment: all that is mounted on the system.
    """
    if name in OF_BODIES:
        return True
    if name in ("ten_length", "ten_velocity"):
        return _tendons(equipment, range(len(equipment.tendons)))
    if name == "actuator_length":
        return _transmissions(equipment)
    if name == "actuator_velocity":
        return _velocities(equipment)
    if name == "actuator_force":
        return _forces(equipment)
    if name == "qfrc_actuator":
        return _forces(equipment) and not equipment.gravity_compensated
    sensors = [
        sensor
        for index, sensor in enumerate(equipment.sensors)
        if sensor and name in ("sensordata", sensor.label(index))
    ]
    if name == "sensordata" and len(sensors) < len(equipment.sensors):
        return False
    return bool(sensors) and all(_sensor(equipment, sensor) for sensor in sensors)


def _sensor(equipment: Equipment, sensor: MjcfSensor) -> bool:
    kind = sensor.kind
    if sensor.delayed:
        return False
    if kind in IN_FRAMES:
        return sensor.of in FRAMES and sensor.reference_of in ("", *FRAMES)
    if OBJECTS.get(kind) != sensor.of:
        return False
    if kind in OF_TENDONS:
        return _tendons(equipment, [sensor.object])
    if kind in OF_ACTUATORS:
        return (_transmissions if kind == "actuatorpos" else _velocities)(equipment)
    if kind in FORCES:
        return _forces(equipment) and not (kind == "jointactfrc" and equipment.gravity_compensated)
    return True


def _tendons(equipment: Equipment, rows: Iterable[int]) -> bool:
    tendons = [equipment.tendons[row] for row in rows]
    return all(tendon is not None and tendon.kind != "wrapped" for tendon in tendons)


def _transmissions(equipment: Equipment) -> bool:
    return all(
        actuator is not None
        and actuator.transmission != "other"
        and (actuator.transmission != "tendon" or _tendons(equipment, [actuator.target]))
        for actuator in equipment.actuators
    )


def _velocities(equipment: Equipment) -> bool:
    # Without actuation, MuJoCo leaves them as they are.
    return equipment.actuated and _transmissions(equipment)


def _forces(equipment: Equipment) -> bool:
    return _transmissions(equipment) and all(
        actuator is not None
        and "other" not in (actuator.gain, actuator.bias)
        and not (actuator.activation >= 0 and actuator.dynamics == "other")
        for actuator in equipment.actuators
    )
