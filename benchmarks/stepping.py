"""Ways to step learned and real environments.

Every way is a context that yields a `Stepper`; `measure` tells its speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import gymnasium as gym
import mujoco
import mujoco.rollout
import numpy as np
import torch

from learned_envs import Simulation, registry
from learned_envs.data.recording import Array
from learned_envs.dynamics.network import MLP
from learned_envs.evaluation.speed import Stepper, measure, random_actions
from learned_envs.sb3 import make_vec_env
from learned_envs.stepping import CACHED_ROWS
from learned_envs.systems.reference import make_reference
from learned_envs.workers import usable_cores

ROLLOUTS = 64
"""Rollouts at once of `mujoco.rollout`, and steps of each."""


def on(device: torch.device) -> Callable[[Array], torch.Tensor]:
    """Return a function that makes tensors on a device of arrays."""
    return lambda actions: torch.from_numpy(actions).to(device)


@contextmanager
def simulation(loaded: Simulation, envs: int, disagreement: bool) -> Iterator[Stepper]:
    """Step a bare simulation."""
    actions = random_actions(loaded.task.action_space, envs, on(loaded.device))
    start = loaded.reset(envs)
    state, age = start, 0

    @torch.no_grad()
    def step() -> None:
        nonlocal state, age
        # Nothing resets a bare simulation. Begun anew, its states stay like those of episodes.
        state, age = (start, 0) if age == 50 else (state, age + 1)
        state = loaded.step(state, next(actions), disagreement).state
        if loaded.device.type == "cuda":
            torch.cuda.synchronize()

    yield step


@torch.no_grad()
def ceiling(loaded: Simulation, envs: int, seconds: float) -> float:
    """Return how many rows a second pass through the matrix products of one member's layers.

    The products have the precision of the simulation's layers. Nothing else is computed.
    """
    network = next(m for m in loaded.dynamics.modules() if isinstance(m, MLP))
    layers: Any = network.layers
    weights = [layer.weight[0] for layer in layers]
    first = torch.randn(envs, len(weights[0]), device=loaded.device).to(weights[0].dtype)

    def step() -> None:
        for rows in torch.split(first, CACHED_ROWS):
            for weight in weights:
                rows = rows @ weight

    return measure(step, envs, seconds)


@contextmanager
def vector_env(made: Any, space: Any, tensors: bool = False) -> Iterator[Stepper]:
    """Step anything with Gymnasium's vector interface."""
    with closing(made):
        made.reset(seed=0)
        put = on(made.unwrapped.state.q.device) if tensors else np.asarray
        actions = random_actions(space, made.num_envs, put)
        yield lambda: made.step(next(actions))


@contextmanager
def single_env(env_id: str, **arguments: Any) -> Iterator[Stepper]:
    """Step one environment, begun anew when an episode ends."""
    with closing(gym.make(env_id, **arguments)) as env:
        # Each member of an ensemble is prepared in its first episode.
        for seed in range(20):
            env.reset(seed=seed)
        actions = random_actions(env.action_space, None)

        def step() -> None:
            _, _, terminated, truncated, _ = env.step(next(actions))
            if terminated or truncated:
                env.reset()

        yield step


@contextmanager
def sb3_env(task: str, envs: int, arguments: dict[str, Any]) -> Iterator[Stepper]:
    """Step a learned environment as Stable-Baselines3 does."""
    with closing(make_vec_env(task, envs, 0, env_kwargs=arguments)) as made:
        made.reset()
        actions = random_actions(made.action_space, envs)
        yield lambda: made.step(next(actions))


@contextmanager
def reference_start(task: str) -> Iterator[Any]:
    """Yield a real environment, without wrappers, at the start of an episode."""
    with closing(make_reference(task)) as env:
        env.reset(seed=0)
        yield env.unwrapped


@contextmanager
def mujoco_rollout(task: str) -> Iterator[Stepper]:
    """Step MuJoCo in its own threads, without observations, rewards and episodes.

    One step of this `Stepper` is `ROLLOUTS` steps of as many systems.
    """
    with reference_start(task) as env:
        model, skip, space = env.model, env.frame_skip, env.action_space
        start = np.concatenate([[0.0], env.data.qpos, env.data.qvel])
    starts = np.tile(start, (ROLLOUTS, 1))
    shape = (ROLLOUTS, ROLLOUTS, *space.shape)
    actions = np.random.default_rng(0).uniform(space.low, space.high, shape)
    controls = actions.repeat(skip, 1)
    data = [mujoco.MjData(model) for _ in range(usable_cores())]
    with mujoco.rollout.Rollout(nthread=usable_cores()) as pool:
        yield lambda: pool.rollout(model, data, starts, controls)


@contextmanager
def envpool_env(task: str, envs: int) -> Iterator[Stepper]:
    """Step EnvPool's environments; it raises an ImportError if it is not installed."""
    import envpool

    made = envpool.make_gymnasium(
        registry.reference_id(task), num_envs=envs, num_threads=min(envs, usable_cores())
    )
    with closing(made):
        made.reset()
        actions = random_actions(made.action_space, envs)
        yield lambda: made.step(next(actions))


@contextmanager
def mjx_physics(task: str, envs: int) -> Iterator[Stepper]:
    """Step MJX on JAX's device: physics alone, as `mujoco_rollout`.

    It raises an ImportError if it is not installed.
    """
    import jax
    from mujoco import mjx

    with reference_start(task) as env:
        skip, actions = env.frame_skip, random_actions(env.action_space, envs, jax.numpy.asarray)
        model, start = mjx.put_model(env.model), mjx.put_data(env.model, env.data)

    def one(data: Any, action: Any) -> Any:
        held = data.replace(ctrl=action)
        return jax.lax.fori_loop(0, skip, lambda _, now: mjx.step(model, now), held)

    every = jax.jit(jax.vmap(one))
    data = jax.tree.map(lambda leaf: jax.numpy.repeat(leaf[None], envs, 0), start)

    def step() -> None:
        nonlocal data
        data = every(data, next(actions))
        jax.block_until_ready(data.qpos)

    yield step


@contextmanager
def warp_physics(task: str, envs: int) -> Iterator[Stepper]:
    """Step MuJoCo Warp on Warp's device: physics alone, as one graph on a GPU.

    It raises an ImportError if it is not installed.
    """
    import mujoco_warp
    import warp

    with reference_start(task) as env:
        skip = env.frame_skip
        put = partial(warp.array, dtype=warp.float32)
        actions = random_actions(env.action_space, envs, put)
        model = mujoco_warp.put_model(env.model)
        data = mujoco_warp.put_data(env.model, env.data, nworld=envs)

    def advance() -> None:
        for _ in range(skip):
            mujoco_warp.step(model, data)

    graph = None
    if warp.get_device().is_cuda:
        # Kernels are compiled now, because that cannot be recorded.
        advance()
        with warp.ScopedCapture() as capture:
            advance()
        graph = capture.graph

    def step() -> None:
        warp.copy(data.ctrl, next(actions))
        if graph is None:
            advance()
        else:
            warp.capture_launch(graph)
        warp.synchronize()

    yield step
