"""What the rules of an environment give, beside what the environment itself returned."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from learned_envs.rules.constant import computed
from learned_envs.rules.graph import Graph
from learned_envs.rules.tracing.trace import Trace, trace_rules
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot


def evaluated(graph, inputs):
    """Return the outputs of a graph in numpy, in float64; `inputs` gives the array of a name."""
    values = []
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.op == "input":
                value = np.asarray(inputs(node.data), dtype=np.float64)
                assert value.shape == node.shape, node.data
            elif node.op == "constant":
                value = node.array
            else:
                value = computed(node.op, [values[x] for x in node.args], node.data, node.shape)
            values.append(value)
    return {name: values[place] for name, place in graph.outputs.items()}


def array(data, name):
    """Return the array of MuJoCo's data that an input without its stage names."""
    if name.startswith("sensor."):
        return data.sensor(name.removeprefix("sensor.")).data.copy()
    if name.startswith("touch."):
        wanted = name.split(".")[1:]
        pairs = [[label(data, int(g)) for g in pair] for pair in data.contact.geom]
        return float(any(sorted(pair) == sorted(wanted) for pair in pairs))
    return np.array(getattr(data, name), dtype=np.float64)


def label(data, geom):
    return data.model.geom(geom).name or str(geom)


@dataclass
class Retold:
    """The largest errors of outputs, by their names, and how many steps terminated."""

    trace: Trace
    errors: dict[str, float]
    terminated: int


def retold(
    env: gym.Env, slots: Sequence[Slot] = (), steps: int = 200, reach: float = 1.2
) -> Retold:
    """Trace an environment, and take random steps; rules are given where a step really led."""
    base = env.unwrapped
    env.reset(seed=5)
    trace = trace_rules(env, slots)
    rng = np.random.default_rng(0)
    data = locate(env)[1]
    errors: dict[str, float] = {}
    ended = 0

    def compare(graph: Graph, inputs, real) -> None:
        for name, value in evaluated(graph, inputs).items():
            if name in real:
                apart = np.abs(np.asarray(value, float) - np.asarray(real[name], float))
                errors[name] = max(errors.get(name, 0.0), float(np.max(apart, initial=0.0)))

    for step in range(steps):
        before = copy.copy(data)
        memory = {slot.name: slot.get(env) for slot in slots}
        space = base.action_space
        action = (rng.uniform(-1, 1, space.shape) * reach).astype(space.dtype)
        observation, reward, terminated, truncated, info = base.step(action)

        def inputs(name, before=before, memory=memory, action=action):
            stage, _, rest = name.partition(".")
            if stage == "action":
                return action
            if stage == "memory":
                return memory[rest]
            return array(before if stage == "before" else data, rest)

        real = {
            "observation": gym.spaces.flatten(base.observation_space, observation),
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "ctrl": data.ctrl,
            **{f"info.{key}": value for key, value in info.items()},
            **{f"memory.{slot.name}": slot.get(env) for slot in slots},
        }
        compare(trace.step, inputs, real)
        ended += bool(terminated)
        if terminated or step % 50 == 49:
            observation, _ = base.reset()
            memory = {slot.name: slot.get(env) for slot in slots}
            if trace.start is not None:
                seen = gym.spaces.flatten(base.observation_space, observation)

                def started(name, memory=memory):
                    stage, _, rest = name.partition(".")
                    return memory[rest] if stage == "memory" else array(data, rest)

                compare(trace.start, started, {"observation": seen})
    return Retold(trace, errors, ended)
