"""A small model for the tests of the faces: they must not depend on what is shipped."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from learned_envs import catalogue
from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.state import State
from learned_envs.systems.reference import describe, make_reference


def _transitions(task: str, steps: int) -> tuple[State, torch.Tensor, State]:
    """Step the reference under random actions, from everywhere near its starts."""
    rows: list[list[np.ndarray]] = [[], [], [], [], []]
    with closing(make_reference(task)) as made:
        env = made.unwrapped
        made.reset(seed=0)
        made.action_space.seed(0)
        for step in range(steps):
            if step % 10 == 0:
                made.reset()
                noise = env.np_random.uniform(-0.1, 0.1, env.model.nq)
                env.set_state(env.init_qpos + noise, env.np_random.uniform(-1, 1, env.model.nv))
            before = env.data.qpos.copy(), env.data.qvel.copy()
            action = made.action_space.sample()
            made.unwrapped.step(action)
            for row, value in zip(
                rows, (*before, action, env.data.qpos.copy(), env.data.qvel.copy()), strict=True
            ):
                row.append(value)
    q, v, u, next_q, next_v = (torch.tensor(np.stack(row), dtype=torch.float32) for row in rows)
    return State(q, v), u, State(next_q, next_v)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint(task)`: weights of an untrained ensemble that knows the range of its data."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(task: str) -> Path:
        path = folder / f"{task}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            with closing(make_reference(task)) as env:
                spec = describe(env)
            sensors = catalogue.task_class(task).sensors
            model = Ensemble(SecondOrder(hidden=(32, 32)), spec, 3, sensors)
            model.normalise(*_transitions(task, 1000))
            save_checkpoint(path, model, {"task": task, "disagreement_threshold": 50.0})
        return path

    return make
