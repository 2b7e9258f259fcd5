"""What rules read that does not follow from a state, so that a model has to learn it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from learned_envs.rules.graph import Graph
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.inputs import derived_names


def learned_sensors(spec: SystemSpec, equipment: Equipment, *graphs: Graph) -> tuple[Sensor, ...]:
    """Return sensors for all that rules read after a step and that does not follow from a state."""
    read = read_names(*graphs)
    known = {"qpos", "qvel", "ctrl", *(leaf.name for leaf in spec.leaves)}
    known |= {*derived_names(spec, equipment, read)}
    # What is observed is recorded with the observations.
    seen = {"step.observation": 0}
    return tuple(
        Sensor(name, size=math.prod(shape), place=seen.get(name), array=name)
        for name, shape in read.items()
        if name not in known
    )


def read_names(*graphs: Graph) -> dict[str, tuple[int, ...]]:
    """Return what graphs of rules read of MuJoCo's data, and the shapes, by MuJoCo's names."""
    return {
        name.partition(".")[2]: shape
        for graph in graphs
        for name, shape in graph.inputs.items()
        if name.startswith(("before.", "after.", "fresh."))
    }


def sensed_inputs(inputs: Iterable[str], sensors: Sequence[Sensor]) -> frozenset[str]:
    """Return those inputs of rules, such as "after.cfrc_ext", that are what a sensor reads."""
    names = {sensor.name for sensor in sensors}
    return frozenset(name for name in inputs if name.partition(".")[2] in names)
