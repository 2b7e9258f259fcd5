"""What a traced task says of real steps, beside what the environment said."""

import mujoco
import numpy as np
import torch

from learned_envs.rules.recording import CALL, STEP, record_steps
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.reference import make_reference
from learned_envs.tasks.task import Transition


def errors(asked, steps=600):
    """Return the largest difference of each output, from states and no other arrays of MuJoCo's."""
    task, spec = asked.task, asked.spec
    real = Adapter(make_reference(task.name, disable_env_checker=True), spec.leaves)
    names = ["before.qpos", "before.qvel", "fresh.qpos", "fresh.qvel"]
    sensed = [f"after.{sensor.name}" for sensor in task.sensors]
    told = [name for name in task.rules.step.inputs if name.startswith((CALL, STEP))]
    seen = record_steps(real.env, [*names, *sensed, *told], steps, slots=real.slots)

    def rows(values):
        return torch.as_tensor(np.asarray(values, float)).reshape(steps, -1)

    q, v, reached, after = (seen.inputs[name] for name in names)
    moved = np.zeros_like(v)
    for row in range(steps):
        mujoco.mj_differentiatePos(real.model, moved[row], 1.0, q[row], reached[row])
    # A model moves q and v, the rules move the leaves.
    memory = {leaf.name: rows(seen.inputs[f"memory.{leaf.name}"]) for leaf in spec.leaves}
    readings = {s.name: rows(seen.inputs[f"after.{s.name}"]) for s in task.sensors}
    verdict = task.judge(
        Transition(
            State(rows(q), rows(v), memory),
            rows(seen.inputs["action"]),
            State(rows(reached), rows(after), memory),
            rows(moved),
            readings,
        )
    )
    ours = {
        "observation": verdict.observation,
        "reward": verdict.reward,
        "terminated": verdict.terminated,
        **({} if verdict.truncated is None else {"truncated": verdict.truncated}),
        **{f"memory.{name}": leaf for name, leaf in {**memory, **verdict.leaves}.items()},
        **{f"info.{name}": value for name, value in verdict.info.items()},
    }
    return {
        name: float(np.nan_to_num((rows(value) - rows(seen.outputs[name])).abs().numpy()).max())
        for name, value in ours.items()
        if name in seen.outputs
    }
