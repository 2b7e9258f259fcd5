"""Real environments whose bodies are seen where q says that they are."""

from typing import Any

import mujoco
import numpy as np
import torch

from learned_envs.state import State
from learned_envs.systems.reference import make_reference


def real(name: str, **parameters: Any) -> Any:
    """Make the real environment, and let it see its bodies where q says that they are.

    `mj_step` leaves them where the solver's last stage had them. How far that is from q, the
    tests of the tasks that look at bodies say.
    """
    env: Any = make_reference(name, **parameters).unwrapped
    simulate = env.do_simulation

    def settle(ctrl: np.ndarray, n_frames: int) -> None:
        simulate(ctrl, n_frames)
        mujoco.mj_forward(env.model, env.data)

    env.do_simulation = settle
    return env


def state_of(env: Any) -> State:
    return State(torch.tensor(env.data.qpos), torch.tensor(env.data.qvel))
