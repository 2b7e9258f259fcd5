"""What is mounted on the bodies of a system: sites, tendons, actuators and sensors of its MJCF.

A [`SystemSpec`][learned_envs.systems.spec.SystemSpec] says what moves. `Equipment` says what else
is needed to compute what MuJoCo derives of a state. Its parts stand in MuJoCo's order. A part that
no asked quantity needs is None, so that indices keep their meaning and a card stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from learned_envs.systems.vector import Vector

T = TypeVar("T")


class Site(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame fixed to a body.

    Attributes:
        body: index of its body.
        name: the MJCF name, possibly empty.
        pos: origin in the body's frame, metres.
        quat: orientation in the body's frame, (w, x, y, z).
    """

    body: int
    name: str = ""
    pos: Vector = (0.0, 0.0, 0.0)
    quat: Vector = (1.0, 0.0, 0.0, 0.0)


class Tendon(msgspec.Struct, frozen=True, omit_defaults=True):
    """A length that follows from q.

    Attributes:
        kind: "fixed" sums joints, "spatial" is a path through sites; the length of a path around
            shapes, "wrapped", is not computed.
        name: the MJCF name, possibly empty.
        joints: (joint, coefficient) of a fixed tendon.
        path: (site, site, divisor) of each straight part of a spatial tendon.
        force_range: (low, high) of the actuators' total force on it; None without limits.
    """

    kind: Literal["fixed", "spatial", "wrapped"]
    name: str = ""
    joints: tuple[tuple[int, float], ...] = ()
    path: tuple[tuple[int, int, float], ...] = ()
    force_range: Vector | None = None


class Actuator(msgspec.Struct, frozen=True, omit_defaults=True):
    """What turns one control into a force, in MuJoCo's words.

    Attributes:
        transmission: what it acts on; "other" is not computed.
        target: index of the joint, tendon or site.
        name: the MJCF name, possibly empty.
        reference: the site that a site's motion is measured from; -1 without one.
        gear: (6,) MuJoCo's; joints with one degree of freedom and tendons use the first.
        gain: how the force grows with its input; "other" is not computed.
        gain_parameters: MuJoCo's gainprm without zeros at its end.
        bias: the force without input; "other" is not computed.
        bias_parameters: MuJoCo's biasprm without zeros at its end.
        dynamics: how its activation follows the control; "other" is not computed.
        dynamics_parameters: MuJoCo's dynprm without zeros at its end.
        activation: index of its activation in act; -1 without one.
        early: whether the force takes the activation that the step leads to.
        control_range: the control is clipped to it; None without one.
        force_range: the force is clipped to it; None without one.
        activation_range: the activation is clipped to it; None without one.
        length_range: of the muscle's transmission.
        acceleration: per unit force, at the reference positions: MuJoCo's acc0 of muscles.
        disabled: whether its group is switched off.
    """

    transmission: Literal["joint", "tendon", "site", "other"]
    target: int
    name: str = ""
    reference: int = -1
    gear: Vector = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    gain: Literal["fixed", "affine", "muscle", "other"] = "fixed"
    gain_parameters: Vector = (1.0,)
    bias: Literal["none", "affine", "muscle", "other"] = "none"
    bias_parameters: Vector = ()
    dynamics: Literal["none", "integrator", "filter", "filter_exact", "muscle", "other"] = "none"
    dynamics_parameters: Vector = (1.0,)
    activation: int = -1
    early: bool = False
    control_range: Vector | None = None
    force_range: Vector | None = None
    activation_range: Vector | None = None
    length_range: Vector = (0.0, 0.0)
    acceleration: float = 0.0
    disabled: bool = False


class MjcfSensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sensor of the MJCF: a part of MuJoCo's sensordata.

    Attributes:
        kind: MuJoCo's name of its type in lower case, such as "framepos".
        size: how many numbers a reading has.
        start: index of the first of them in sensordata.
        name: the MJCF name, possibly empty.
        of: kind of its object, in lower case, such as "site"; "" without one.
        object: index of its object.
        reference_of: kind of the object whose frame a reading is given in; "" is the world's.
        reference: index of that object.
        cutoff: readings are clipped to this size; 0 without limit.
        delayed: whether a reading is older than the state.
    """

    kind: str
    size: int
    start: int
    name: str = ""
    of: str = ""
    object: int = -1
    reference_of: str = ""
    reference: int = -1
    cutoff: float = 0.0
    delayed: bool = False

    def label(self, index: int) -> str:
        """Return what the reading is called, given the sensor's index: "sensor.NAME"."""
        return f"sensor.{self.name or index}"


class Equipment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is mounted on a system's bodies, and how MuJoCo steps it.

    Attributes:
        integrator: MuJoCo's.
        sites: by index.
        tendons: by index.
        actuators: by index.
        sensors: by index.
        mocap: the bodies whose poses are given from outside, in the order of mocap_pos.
        magnetic: the magnetic field, (3,).
        joint_force_ranges: (joint, low, high) of the actuators' total force on a joint.
        clips_controls: whether controls are clipped to their ranges.
        actuated: whether actuators act at all.
        gravity_compensated: whether actuators compensate gravity; such forces are not computed.
    """

    integrator: Literal["Euler", "RK4", "implicit", "implicitfast", "other"] = "Euler"
    sites: tuple[Site | None, ...] = ()
    tendons: tuple[Tendon | None, ...] = ()
    actuators: tuple[Actuator | None, ...] = ()
    sensors: tuple[MjcfSensor | None, ...] = ()
    mocap: tuple[int, ...] = ()
    magnetic: Vector = (0.0, -0.5, 0.0)
    joint_force_ranges: tuple[tuple[int, float, float], ...] = ()
    clips_controls: bool = True
    actuated: bool = True
    gravity_compensated: bool = False

    def needed_for(self, names: Iterable[str]) -> Equipment:
        """Return the part that is needed to compute some of MuJoCo's arrays.

        Args:
            names: of arrays of MuJoCo's data, such as "site_xpos", and "sensor.NAME" of sensors,
                by index if they have no name. "act" asks for what moves activations.
        """
        names = {*names}
        kept: dict[str, set[int]] = {"site": set(), "tendon": set(), "actuator": set()}
        sensors = {
            index
            for index, sensor in enumerate(self.sensors)
            if sensor and ("sensordata" in names or sensor.label(index) in names)
        }
        for sensor in (self.sensors[index] for index in sensors):
            assert sensor is not None
            kept.get(sensor.of, set()).add(sensor.object)
            kept.get(sensor.reference_of, set()).add(sensor.reference)
            if sensor.kind == "jointactfrc":
                names.add("qfrc_actuator")
            if sensor.of == "actuator" or sensor.kind == "tendonactfrc":
                names.add("actuator_force")
        if any(name.startswith(("actuator_", "qfrc_actuator")) for name in names):
            kept["actuator"].update(range(len(self.actuators)))
        if "act" in names:
            kept["actuator"].update(
                index for index, each in enumerate(self.actuators) if each and each.activation >= 0
            )
        if any(name.startswith("ten_") for name in names):
            kept["tendon"].update(range(len(self.tendons)))
        for index in kept["actuator"]:
            if actuator := self.actuators[index]:
                kept.get(actuator.transmission, set()).add(actuator.target)
                kept["site"].add(actuator.reference)
        for index in kept["tendon"]:
            if tendon := self.tendons[index]:
                kept["site"].update(site for part in tendon.path for site in part[:2])
        if any(name.startswith("site_") for name in names):
            kept["site"].update(range(len(self.sites)))
        return msgspec.structs.replace(
            self,
            sites=_only(self.sites, kept["site"]),
            tendons=_only(self.tendons, kept["tendon"]),
            actuators=_only(self.actuators, kept["actuator"]),
            sensors=_only(self.sensors, sensors),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the equipment as plain data for JSON, without what is as usual."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Equipment:
        """Build equipment from the data of `to_dict`, as read back from JSON."""
        return msgspec.convert(data, cls)


def _only(parts: tuple[T, ...], kept: set[int]) -> tuple[T | None, ...]:
    """Return parts with None for those that are not kept; nothing if none is asked for."""
    found = [part if index in kept else None for index, part in enumerate(parts)]
    return tuple(found) if kept else ()
