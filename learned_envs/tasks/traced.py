"""The task of any MuJoCo environment: the rules that were traced from its own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from learned_envs.defaults import usual_defaults
from learned_envs.entry_point import load
from learned_envs.kinematics.activation import Activation
from learned_envs.kinematics.lag import lags
from learned_envs.reference_name import ReferenceName
from learned_envs.rules.evaluator import Evaluator
from learned_envs.rules.rules import Rules, flat_space
from learned_envs.state import State
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.sensor import Sensor
from learned_envs.tasks.inputs import PLACED, Moment, Quantities, shifted
from learned_envs.tasks.sensing import learned_sensors, sensed_inputs
from learned_envs.tasks.task import Readings, Task, Transition, Verdict

DRIVEN = ("ctrl", "actuator_force", "qfrc_actuator", "sensor.")
"""How names of arrays begin that may depend on the controls."""

RETRACED = "learned_envs.collect.asking:retraced"
"""What traces the rules again with other parameters. It needs the real environment."""


@dataclass(frozen=True, kw_only=True)
class TracedTask(Task):
    """What a real environment's own `step` computes of a state, an action and the next state.

    Attributes:
        rules: graphs of what is seen, paid and ended.
        equipment: what is mounted on the system's bodies.
        starts: (n, nq + nv + leaves), recorded states after resets: q, v and the spec's leaves.
        name: of the environment, as the registry reads it.
        given: parameters of its constructor that differ from those that the name has.
    """

    rules: Rules
    equipment: Equipment
    starts: Tensor
    name: str
    given: Mapping[str, Any] = field(default_factory=dict)

    def with_parameters(self, parameters: Mapping[str, Any]) -> Task:
        """Return the task of an environment with other parameters: the real one is made and traced.

        Raises:
            ParameterError: if they change the system, or the environment does not take them.
        """
        if not parameters:
            return self
        task: Task = load(RETRACED)(self, parameters)
        return task

    @property
    def reference_id(self) -> str:
        """The Gymnasium id of the real environment, which may share the spec's system."""
        name = ReferenceName.read(self.name)
        return self.spec.reference_id if name is None else name.reference_id.rpartition(":")[2]

    @property
    def parameters(self) -> dict[str, Any]:
        """The constructor parameters that were given."""
        return dict(self.given)

    @cached_property
    def sensors(self) -> tuple[Sensor, ...]:
        """What the rules read that does not follow from the state."""
        return learned_sensors(self.spec, self.equipment, self.rules.step, self.rules.start)

    @property
    def sensed(self) -> tuple[int, ...]:
        """Columns of the observation that depend on what sensors read."""
        read = sensed_inputs(self.rules.step.inputs, self.sensors)
        depends = self.rules.depends_on(read)["observation"]
        return tuple(column for column, does in enumerate(depends) if does)

    @property
    def frozen(self) -> tuple[int, ...]:
        """Indices of v that stay zero."""
        return self.rules.frozen

    @cached_property
    def action_space(self) -> Box:
        """The reference environment's action space."""
        return self.rules.action_space.space()

    @cached_property
    def observation_space(self) -> Box:
        """The reference environment's observation space, flat."""
        return flat_space(self.rules.observation_space)

    def initial_state(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """Draw (batch) of the recorded starts."""
        device = generator.device if generator is not None else torch.device("cpu")
        rows = torch.randint(len(self.starts), (batch,), generator=generator, device=device)
        drawn = self.starts.to(device).index_select(0, rows).to(dtype)
        sizes = [self.spec.nq, self.spec.nv, *(leaf.size for leaf in self.spec.leaves)]
        q, v, *leaves = torch.split(drawn, sizes, -1)
        names = (leaf.name for leaf in self.spec.leaves)
        return State(q, v, dict(zip(names, leaves, strict=True)))

    def observation(self, state: State, readings: Readings | None = None) -> Tensor:
        """Return what the reference's reset would show of a state, (*batch, n)."""
        return self._machine.begun(state, readings)["observation"]

    def reset_info(self, state: State) -> dict[str, Tensor]:
        """Return the reference's `info` of a reset, (*batch) each."""
        return _infos(self._machine.begun(state, None), state.q.shape[:-1])

    def judge(self, transition: Transition) -> Verdict:
        """Return what the reference's `step` returns."""
        found = self._machine.stepped(transition)
        return Verdict(
            found["observation"],
            found["reward"],
            found["terminated"],
            _infos(found, transition.action.shape[:-1]),
            {name.removeprefix("memory."): x for name, x in found.items() if "memory." in name},
            found.get("truncated"),
        )

    def reward_terms(self, transition: Transition) -> dict[str, Tensor]:
        """Return the reward, which is not taken apart."""
        return {"reward": self.judge(transition).reward}

    def info(self, transition: Transition) -> dict[str, Tensor]:
        """Return the reference's `info` of a step, (*batch) each."""
        return dict(self.judge(transition).info)

    def terminated(self, state: State) -> Tensor:
        """Return whether a step that leaves the system in `state` ends the episode, (*batch)."""
        size = {"action": self.spec.nu, "still": self.spec.nv}
        action, still = (state.q.new_zeros(*state.q.shape[:-1], n) for n in size.values())
        readings = {s.name: still.new_zeros(*still.shape[:-1], s.size) for s in self.sensors}
        return self.judge(Transition(state, action, state, still, readings)).terminated

    @cached_property
    def _machine(self) -> _Machine:
        with usual_defaults():
            return _Machine(self)

    def __getstate__(self) -> dict[str, Any]:
        """Keep what was given, and not what was derived from it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class _Machine:
    """Evaluates the rules of a task."""

    def __init__(self, task: TracedTask) -> None:
        spec, rules, equipment = task.spec, task.rules, task.equipment
        self.spec, self.sensors = spec, task.sensors
        told = [name for name in rules.step.outputs if name != "ctrl"]
        cuts = rules.step.nodes[rules.step.outputs["truncated"]]
        if cuts.op == "constant" and not cuts.array.any():
            told.remove("truncated")
        self.step = Evaluator(rules.step, told)
        self.start = Evaluator(rules.start)
        shapes = rules.step.inputs
        needed = sorted(self.step.inputs)
        self.quantities = Quantities.of(spec, equipment, rules.step, needed)
        self.absolute = Quantities.of(
            spec, equipment, rules.step, sorted(self.step.absolute_inputs)
        )
        self.starting = Quantities.of(spec, equipment, rules.start, rules.start.inputs)
        self.shift = shifted(spec) if spec.cyclic else None
        self.acted = shapes.get("action", (spec.nu,))
        # One number has the shape ().
        self.shapes = {
            leaf.name: (leaf.size,) if leaf.shape is None else leaf.shape for leaf in spec.leaves
        }
        read = shapes.keys() | rules.start.inputs.keys()
        self.memory = [n for n in self.shapes if f"memory.{n}" in read]
        slow = "act" in self.shapes
        self.lags = lags(equipment)
        self.activation = Activation(spec, equipment) if slow else None
        asked = {name.partition(".")[2] for name in needed}
        handed = rules.step.outputs.get("ctrl")
        self.controls = 0 if handed is None else rules.step.nodes[handed].size
        given = [f"memory.{name}" for name in self.shapes if name.startswith(PLACED)]
        given = [name for name in given if name in rules.step.outputs]
        driven = slow or any(name.startswith(DRIVEN) for name in asked)
        if driven and "ctrl" in rules.step.outputs:
            given.append("ctrl")
        # What a step hands to physics: what comes of it depends on that.
        self.giving = Evaluator(rules.step, given) if given else None
        self.dt = spec.dt
        if self.giving is not None:
            self.read_first = Quantities.of(spec, equipment, rules.step, sorted(self.giving.inputs))

    def begun(self, state: State, readings: Readings | None) -> dict[str, Tensor]:
        """Evaluate the rules of a reset."""
        none = {s.name: state.q.new_zeros(*state.q.shape[:-1], s.size) for s in self.sensors}
        # A reset leaves the controls at zero.
        ctrl = state.q.new_zeros((*state.q.shape[:-1], self.controls))
        moment = Moment(state, ctrl, readings={**none, **(readings or {})})
        inputs = self._memory(state)
        for quantities in self.starting:
            inputs |= quantities(moment)
        return self.start(inputs)

    def stepped(self, transition: Transition) -> dict[str, Tensor]:
        """Evaluate the rules of a step."""
        before, after = transition.state, transition.next_state
        action = transition.action.reshape(*before.q.shape[:-1], *self.acted)
        base = {"action": action, **self._memory(before)}
        leaves: dict[str, Tensor] = {}
        if self.giving is not None:
            inputs = dict(base)
            for quantities in self.read_first:
                inputs |= quantities(Moment(before))
            leaves = {
                name.removeprefix("memory."): x.reshape((*before.q.shape[:-1], -1))
                for name, x in self.giving(inputs).items()
            }
        ctrl = leaves.pop("ctrl", None)
        acted = None
        if self.activation is not None and ctrl is not None:
            act = before.memory["act"]
            leaves["act"] = self.activation(act, ctrl)
            acted = self.activation(act, ctrl, self.spec.frame_skip - 1) if self.lags else None
        if "time" in self.shapes:
            leaves["time"] = before.memory["time"] + self.dt
        after = after.remember(**leaves)

        def read(quantities: list[Quantities], first: State, second: State) -> dict[str, Tensor]:
            found = dict(base)
            moments = {"before": Moment(first, ctrl, first.v)}
            reached = Moment(second, ctrl, first.v, acted, transition.readings)
            for each in quantities:
                found |= each(moments.get(each.when, reached))
            return found

        if self.shift is None:
            found = self.step(read(self.quantities, before, after))
        else:
            q, reached = self.shift(before, after, transition.displacement)
            near = State(q, before.v, before.memory), State(reached, after.v, after.memory)
            found = self.step(read(self.absolute, before, after), read(self.quantities, *near))
        flat = {
            name: x.reshape((*before.q.shape[:-1], -1))
            for name, x in found.items()
            if "memory." in name
        }
        return {**found, **flat, **{f"memory.{name}": leaf for name, leaf in leaves.items()}}

    def _memory(self, state: State) -> dict[str, Tensor]:
        batch = state.q.shape[:-1]
        return {
            f"memory.{name}": state.memory[name].reshape((*batch, *self.shapes[name]))
            for name in self.memory
        }


def _infos(found: Mapping[str, Tensor], batch: tuple[int, ...]) -> dict[str, Tensor]:
    """Return the infos as numbers, (*batch) each: those of an array have their places behind."""
    infos: dict[str, Tensor] = {}
    for name, x in found.items():
        if not name.startswith("info."):
            continue
        name, shape = name.removeprefix("info."), x.shape[len(batch) :]
        for place in np.ndindex(*shape):
            infos[name + (f"[{','.join(map(str, place))}]" if place else "")] = x[..., *place]
    return infos
