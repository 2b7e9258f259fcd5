"""Planning in MuJoCo itself: the best a model could do, and data for models to plan with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import gymnasium as gym
import mujoco
import mujoco.rollout
import numpy as np
import torch
from torch import Tensor

from learned_envs.collect.asking import ask
from learned_envs.data.recording import Array
from learned_envs.errors import ParameterError
from learned_envs.planning import CEM, Planner, Returns
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.tasks.task import Task, Transition

SEARCH = CEM(horizon=30, candidates=32, iterations=2, elites=6)
"""How a planner that is recorded searches."""

PLANNED_STEPS = 200
"""Steps after which it starts anew."""

FOLLOWED = 8
"""Sequences of actions that are followed from every state that it comes to."""


def plan_outside(
    task: str, make_env: Callable[[], gym.Env[Array, Array]], steps: int, seed: int
) -> None:
    """Plan in the real environment, for the sake of what is recorded on the way.

    Plans lead where no agent goes. From every state that the planner comes to, some of the
    sequences that it considers are followed, because a search in a model will ask for them. What
    is simulated to choose among them is not recorded. It is a driver of
    [`collect`][learned_envs.collect.collection.collect].
    """
    rng = np.random.default_rng(seed)
    with closing(make_env()) as env, closing(make_env()) as aside:
        real, asked = Adapter(env), ask(task)
        spec = asked.spec
        pays = real_returns(asked.task, env)
        considered: list[Tensor] = []

        def returns(state: State, actions: Tensor) -> Tensor:
            considered[:] = actions[0]
            return pays(state, actions)

        planner = Planner(returns, spec, SEARCH, seed)
        taken = 0
        while taken < steps:
            env.reset(seed=int(rng.integers(2**31)))
            planner.reset()
            for _ in range(PLANNED_STEPS):
                q, v = real.data.qpos.copy(), real.data.qvel.copy()
                action = planner(State(torch.from_numpy(q)[None], torch.from_numpy(v)[None]))
                for index in rng.choice(SEARCH.candidates, FOLLOWED, replace=False):
                    taken += _follow(aside, q, v, considered[index].numpy())
                _, _, terminated, truncated, _ = env.step(action[0].numpy())
                taken += 1
                if terminated or truncated or taken >= steps:
                    break


def real_returns(task: Task, env: gym.Env[Any, Any]) -> Returns:
    """Return the function that says what action sequences pay in MuJoCo.

    See [`imagined_returns`][learned_envs.planning.imagined_returns] for one of a learned model.

    Args:
        task: whose rewards and ends count; its system has only slides and hinges.
        env: its reference environment, which gives the system. It is stepped once.

    Raises:
        ParameterError: if it does not hand actions to the actuators as they are.
    """
    real, spec = Adapter(env), task.spec
    model, skip = real.model, spec.frame_skip
    highest = np.array(spec.control_high)
    real.step(highest)
    if spec.leaves or model.nu != spec.nu or not np.allclose(real.data.ctrl, highest):
        raise ParameterError(
            f"Got {real.name}, which makes {real.data.ctrl} of the action {highest} and has "
            f"{len(spec.leaves)} leaves of its state beside q and v; a planner hands actions to "
            "the actuators as they are, and sets q and v. Record it without planners."
        )
    threads = torch.get_num_threads()
    data = [mujoco.MjData(model) for _ in range(threads)]
    pool = mujoco.rollout.Rollout(nthread=threads)
    nq, nv = model.nq, model.nv

    def returns(state: State, actions: Tensor) -> Tensor:
        batch, candidates = actions.shape[:2]
        first = torch.cat([torch.zeros(batch, 1), state.q, state.v], -1).double()
        starts = first.repeat_interleave(candidates, 0)
        controls = actions.flatten(0, 1).double().repeat_interleave(skip, 1)
        every, _ = pool.rollout(model, data, starts.numpy(), controls.numpy())
        reached = torch.from_numpy(every[:, skip - 1 :: skip])
        path = torch.cat([starts.unsqueeze(1), reached], 1)[..., 1 : 1 + nq + nv]
        states = State(path[..., :nq], path[..., nq:])
        before, after = states[:, :-1], states[:, 1:]
        transition = Transition(before, actions.flatten(0, 1).double(), after, after.q - before.q)
        verdict = task.judge(transition)
        ended = verdict.terminated.cumsum(1) > 0
        alive = torch.cat([torch.ones_like(ended[:, :1]), ~ended[:, :-1]], 1)
        return (verdict.reward * alive).sum(-1).reshape(batch, candidates)

    return returns


def _follow(env: gym.Env[Array, Array], q: Array, v: Array, actions: Array) -> int:
    """Take actions, (n, nu), from a state until the episode ends; return how many were taken."""
    env.reset()
    env.get_wrapper_attr("set_state")(q, v)
    for taken, action in enumerate(actions, start=1):
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return taken
    return len(actions)
