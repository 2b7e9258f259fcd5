"""A model's twin: MuJoCo itself, restarted with a little noise on its state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import torch

from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Window
from learned_envs.evaluation.evaluation import Predictor, stay_at_the_end
from learned_envs.state import State
from learned_envs.systems.reference import make_reference, replay
from learned_envs.tasks.task import Task

NOISE = (1e-6, 1e-4, 1e-3)
"""Standard deviations of the noise on q and v, of the twins that a model is compared with."""


def twins(name: str, task: Task, recording: Recording) -> dict[str, Predictor]:
    """Return a twin for each `NOISE`, by its name in reports."""
    return {f"twin {noise:.0e}": twin(name, task, recording, noise) for noise in NOISE}


def twin(name: str, task: Task, recording: Recording, noise: float) -> Predictor:
    """Predict with MuJoCo itself, restarted with normal noise on q and v.

    Its error is how much the real system itself magnifies a small difference.

    Args:
        name: the registered name of the task.
        task: its rules end an episode; a twin stays where it ended, as a model does.
        recording: the episodes that the windows are from.
        noise: standard deviation; 0 repeats what was recorded.
    """

    def predict(window: Window) -> Sequence[State]:
        random, device = np.random.default_rng(0), window.actions.device
        q, v = [], []
        with closing(make_reference(name)) as env:
            for row, actions in zip(
                window.rows.tolist(), window.actions.cpu().numpy(), strict=True
            ):
                start_q, start_v = recording.qpos[row], recording.qvel[row]
                leaves = {leaf: recording.columns[leaf.name][row] for leaf in task.spec.leaves}
                positions, velocities = replay(
                    env,
                    start_q + noise * random.standard_normal(start_q.shape),
                    start_v + noise * random.standard_normal(start_v.shape),
                    actions,
                    leaves,
                )
                q.append(positions[1:])
                v.append(velocities[1:])
        path = State(torch.tensor(np.array(q)), torch.tensor(np.array(v))).to(device)
        return stay_at_the_end(task, [path[:, t] for t in range(window.length)])

    return predict
