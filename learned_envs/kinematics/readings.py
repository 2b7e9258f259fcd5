"""Makes the readings of an MJCF's sensors."""

from __future__ import annotations

from torch import nn

from learned_envs.kinematics import computable
from learned_envs.kinematics.masses import AngularMomentum
from learned_envs.kinematics.plan import Plan, Quantity
from learned_envs.kinematics.reading import (
    Clipped,
    Column,
    Coordinate,
    FrameReading,
    Joined,
    SiteReading,
    Total,
)
from learned_envs.systems.equipment import MjcfSensor


def reading(plan: Plan, name: str) -> Quantity:
    """Return what gives a sensor's reading, (*batch, size).

    Args:
        plan: of all that is needed.
        name: "sensor.NAME", by index if it has no name, or "sensordata" for all.

    Raises:
        KeyError: if the equipment has no such sensor.
    """
    sensors = plan.equipment.sensors
    if name == "sensordata":
        names = [sensor.label(index) for index, sensor in enumerate(sensors) if sensor]
        return plan.once(name, lambda: Joined([reading(plan, each) for each in names]))
    known = {sensor.label(index): sensor for index, sensor in enumerate(sensors) if sensor}
    sensor = known[name]
    plan.tree.drawn.refuse("sensor_cutoff")

    def make() -> nn.Module:
        value = _reading(plan, sensor)
        return Clipped(value, sensor.cutoff) if sensor.cutoff else value

    return plan.once(name, make)


def _reading(plan: Plan, sensor: MjcfSensor) -> nn.Module:
    kind, index = sensor.kind, sensor.object
    if kind in computable.IN_FRAMES:
        frame = plan.placed(sensor.of, [index])
        reference = None
        if sensor.reference_of:
            reference = plan.placed(sensor.reference_of, [sensor.reference])
        return FrameReading(kind, frame, reference)
    if kind in computable.AT_SITES:
        if kind == "magnetometer":
            plan.tree.drawn.refuse("opt.magnetic")
        return SiteReading(kind, plan.placed("site", [index]), plan.equipment.magnetic)
    if kind in computable.OF_SUBTREES:
        subtrees = plan.subtrees([index])
        if kind == "subtreeangmom":
            momentum = AngularMomentum(plan.spec, plan.tree, index, plan.placed, plan.subtrees)
            return Column(momentum, 0, row=True)
        return Column(subtrees.com if kind == "subtreecom" else subtrees.velocity, 0, row=True)
    if kind in computable.OF_JOINTS:
        joint = plan.spec.joints[index]
        name, place = ("q", joint.q) if kind == "jointpos" else ("v", joint.v)
        return Coordinate(name, place)
    if kind in computable.OF_TENDONS:
        tendons = plan.tendons([index])
        return Column(tendons.lengths if kind == "tendonpos" else tendons.velocities, 0)
    if kind in computable.OF_ACTUATORS:
        array = "actuator_length" if kind == "actuatorpos" else "actuator_velocity"
        return Column(plan.quantity(array, None), index)
    if kind == "jointactfrc":
        return Column(plan.quantity("qfrc_actuator", None), plan.spec.joints[index].v)
    forces = plan.quantity("actuator_force", None)
    if kind == "actuatorfrc":
        return Column(forces, index)
    pulls = [
        float(actuator.transmission == "tendon" and actuator.target == index)
        for actuator in plan.actuators()
    ]
    return Total(forces, pulls)
