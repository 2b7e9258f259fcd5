"""What a traced task says of real steps, beside what the environment said."""

import numpy as np
import torch

from learned_envs.collect.derivation import judged
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.reference import make_reference


def errors(asked, steps=600):
    """Return the largest difference of each output, from states and no other arrays of MuJoCo's."""
    task, spec = asked.task, asked.spec
    real = Adapter(make_reference(task.name, disable_env_checker=True), spec.leaves)
    verdict, told = judged(real, task, steps)

    def rows(values):
        return torch.as_tensor(np.asarray(values, float)).reshape(steps, -1)

    ours = {
        "observation": verdict.observation,
        "reward": verdict.reward,
        "terminated": verdict.terminated,
        **({} if verdict.truncated is None else {"truncated": verdict.truncated}),
        **{f"memory.{name}": leaf for name, leaf in verdict.leaves.items()},
        **{f"info.{name}": value for name, value in verdict.info.items()},
    }
    return {
        name: float(np.nan_to_num((rows(value) - rows(told[name])).abs().numpy()).max())
        for name, value in ours.items()
        if name in told
    }
