"""The system of a robot that was recorded: its MJCF or URDF, or one of what the map says alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import mujoco

from learned_envs.errors import LogError
from learned_envs.logs.map import UNITS, ActionMap, LogMap
from learned_envs.logs.stream import nearest

Range = tuple[float, float]


def matched(log_map: LogMap, model_file: Path) -> None:
    """Check that a map names the joints and actuators of a model, in its order.

    Raises:
        LogError: if a joint is not measured, or a name is not the model's.
    """
    model = loaded(model_file)
    free = int(mujoco.mjtJoint.mjJNT_FREE)
    joints = [model.joint(i) for i in range(model.njnt)]
    lines = [joint.name for joint in joints if int(joint.type[0]) != free]
    mapped = [joint.name for joint in log_map.joints]
    for name in mapped:
        if name not in lines:
            raise LogError(f"{model_file} has no joint {name!r}. {nearest(name, lines)}")
    if mapped != lines:
        missing = [name for name in lines if name not in mapped]
        what = f"no column is mapped for {', '.join(missing)}" if missing else "their order differs"
        raise LogError(
            f"{model_file} has the joints {', '.join(lines)}: {what}. Map them in this order; or "
            "fit without --model, to what is measured alone."
        )
    base = log_map.base is not None and log_map.base.position is not None
    if (len(joints) > len(lines)) != base:
        got = "has a free joint" if not base else "has no free joint"
        raise LogError(
            f"{model_file} {got}, and the map has {'a' if base else 'no'} [base] with a position. "
            "Fit without --model, to what is measured alone; or weld or free the base in the MJCF."
        )
    actuators = [model.actuator(i).name for i in range(model.nu)]
    if len(actuators) != len(log_map.actions):
        raise LogError(
            f"{model_file} has the actuators {', '.join(actuators) or 'none'}; the map has "
            f"{len(log_map.actions)} [[actions]]. Map one column to each."
        )
    for action, name in zip(log_map.actions, actuators, strict=True):
        if action.actuator not in (None, name):
            raise LogError(
                f"The map has the actuator {action.actuator!r} where {model_file} has {name!r}. "
                "Map actions in the order of the actuators."
            )


def loaded(model_file: Path) -> mujoco.MjModel:
    """Load an MJCF or a URDF.

    Raises:
        LogError: if MuJoCo cannot.
    """
    try:
        return mujoco.MjModel.from_xml_path(str(model_file))
    except ValueError as error:
        raise LogError(f"MuJoCo cannot load {model_file}: {error}") from error


def skeleton(log_map: LogMap, told: Mapping[str, Range]) -> str:
    """Return an MJCF of what a map says alone: joints side by side, and nothing to touch.

    Its masses mean nothing. Models that see only q, v and actions do not ask for them.

    Args:
        log_map: what is measured.
        told: the least and the most that each action was, by its column.
    """
    root = ElementTree.Element("mujoco", model=log_map.name)
    ElementTree.SubElement(root, "compiler", angle="radian")
    ElementTree.SubElement(root, "option", timestep="0.001")
    ElementTree.SubElement(root, "size", nuserdata=str(log_map.readings))
    world = ElementTree.SubElement(root, "worldbody")
    if log_map.base is not None and log_map.base.position is not None:
        body = _body(world, log_map.base.name)
        ElementTree.SubElement(body, "freejoint", name=log_map.base.name)
    driven = []
    for joint in log_map.joints:
        limits = None
        if joint.limits is not None:
            low, high = (UNITS[joint.unit] * end for end in joint.limits)
            limits = low, high
        # A slide that is not level is none that the motion cannot depend on.
        axis = "0 1 0" if joint.kind == "hinge" else "0 0 1"
        _line(world, joint.name, joint.kind, axis, limits)
        driven.append(joint.name)
    for observed in log_map.observed:
        if observed.state:
            _line(world, observed.name or observed.column, "slide", "0 0 1", None)
            driven.append(observed.name or observed.column)
    if log_map.actions:
        actuators = ElementTree.SubElement(root, "actuator")
        for index, action in enumerate(log_map.actions):
            low, high = range_of(action, told[action.column])
            attributes = {
                "name": action.actuator or action.column,
                "ctrlrange": f"{low!r} {high!r}",
                "ctrllimited": "true",
            }
            if driven:
                attributes["joint"] = action.joint or driven[min(index, len(driven) - 1)]
            else:
                attributes["body"] = log_map.base.name if log_map.base else "world"
            ElementTree.SubElement(actuators, "general", attributes)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def range_of(action: ActionMap, told: Range) -> Range:
    """Return the least and the most that an action can be.

    Raises:
        LogError: if it never moved, and the map does not say.
    """
    low = told[0] if action.low is None else action.low * UNITS.get(action.unit, 1.0)
    high = told[1] if action.high is None else action.high * UNITS.get(action.unit, 1.0)
    if not low < high:
        raise LogError(
            f"Action {action.column!r} never moves: it is {told[0]:g} in all rows. Take it out of "
            "the map, or record with it in use."
        )
    return low, high


def _body(world: ElementTree.Element, name: str) -> ElementTree.Element:
    body = ElementTree.SubElement(world, "body", name=name)
    ElementTree.SubElement(body, "inertial", pos="0 0 0", mass="1", diaginertia="1 1 1")
    return body


def _line(
    world: ElementTree.Element, name: str, kind: str, axis: str, limits: Range | None
) -> None:
    attributes = {"name": name, "type": kind, "axis": axis}
    if limits is not None:
        attributes |= {"limited": "true", "range": f"{limits[0]!r} {limits[1]!r}"}
    ElementTree.SubElement(_body(world, f"{name} body"), "joint", attributes)
