"""What is promised of a device: compiled or recorded, steps are the same, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import gymnasium as gym
import torch
from gpu_agreement import (
    BATCH,
    BOUND,
    drawn,
    environments_off,
    judged,
    shipped,
    trees_off,
)
from gpu_graph import RecordedSimulation, ReducedOverhead
from gpu_run import Row, Run, nothing_falls_back, off_by
from torch import Tensor

from learned_envs import Simulation, registry
from learned_envs.envs import FunctionalEnv
from learned_envs.state import leaves

BFLOAT16_BOUND = 0.1
"""The largest difference of one step of networks in bfloat16, whose numbers have three digits."""

GRADIENT_BOUND = 1e-3
"""The largest difference of a gradient, in units of its largest entry."""

MODES = ("NextStep", "SameStep", "Disabled")


def promises(run: Run) -> None:
    """Test the task that is measured in every way to step, and the others compiled."""
    for task in dict.fromkeys((run.task, *shipped())):
        for name, make in engines(run, task).items():
            bound = BFLOAT16_BOUND if "bfloat16" in name else BOUND
            run.attempt(
                partial(as_plain, run, task, make, bound), model=task, what=f"Simulation, {name}"
            )
        run.attempt(
            partial(compiled_environments, run, task), model=task, what="make_vec, compiled"
        )
        if task == run.task:
            of_environments(run, task)


def engines(run: Run, task: str) -> dict[str, Callable[[Simulation], Simulation]]:
    """List ways to step: all for the task that is measured, one for the others."""
    ways: dict[str, Callable[[Simulation], Simulation]] = {"compiled": Simulation.compiled}
    if run.on_gpu and task == run.task:
        ways |= {
            "CUDA graph": RecordedSimulation.of,
            "compiled, CUDA graph": lambda plain: RecordedSimulation.of(plain.compiled()),
            "compiled, bfloat16": lambda plain: plain.to_bfloat16().compiled(),
            "reduce-overhead": ReducedOverhead.of,
        }
    return ways


def of_environments(run: Run, task: str) -> None:
    """Test what environments and gradients promise, uncompiled and compiled."""
    for compile in (False, True):
        how = "compiled" if compile else "uncompiled"
        cases: dict[str, Callable[[], Row]] = {
            "gradient of a return": partial(gradients, run, task, compile)
        }
        if run.on_gpu:
            cases["an action that is not finite truncates"] = partial(broken, run, task, compile)
            for mode in MODES:
                cases[f"nothing waits for the GPU, {mode}"] = partial(
                    nothing_waits, run, task, mode, compile
                )
        for what, case in cases.items():
            run.attempt(case, model=task, what=f"{what}, {how}")


@torch.no_grad()
def as_plain(run: Run, task: str, make: Callable[[Simulation], Simulation], bound: float) -> Row:
    """Compare a way to step with the plain one on the device, at two sizes."""
    plain = Simulation.load(task, run.device)
    fast, worst = make(plain), 0.0
    for batch in (BATCH, BATCH + 44, BATCH):
        state, actions = drawn(Simulation.load(task), batch)
        state, action = state.to(run.device), actions[:, 0].to(run.device)
        with nothing_falls_back():
            ours = fast.step(state, action, True)
            kept = [leaf.clone() for leaf in leaves(ours)]
            fast.step(ours.state, action, True)
        if any(not torch.equal(*pair) for pair in zip(kept, leaves(ours), strict=True)):
            return {"failure": "a second step changed what the first one gave"}
        theirs = plain.step(state, action, True)
        for name in ("state", "observation", "reward", "disagreement"):
            worst = max(worst, trees_off(getattr(ours, name), getattr(theirs, name)))
    return judged(worst, bound)


def compiled_environments(run: Run, task: str) -> Row:
    """Compare compiled environments with plain ones on the device."""
    common = {"device": run.device, "ensemble": "mean"}
    with nothing_falls_back():
        pair = [{**common, "compile": compile} for compile in (True, False)]
        return judged(environments_off(pair, task))


def gradients(run: Run, task: str, compile: bool) -> Row:
    """Compare the gradient of a short return, with respect to actions, with the CPU's."""
    found: list[Tensor] = []
    for device, fast in ((run.device, compile), ("cpu", False)):
        simulation = Simulation.load(task, device)
        state, actions = drawn(Simulation.load(task), 16)
        leaf = (0.5 * actions).to(device).requires_grad_(True)
        with nothing_falls_back():
            rollout = (simulation.compiled() if fast else simulation).rollout(
                state.forget("member").to(device), leaf
            )
        returns = rollout.rewards.sum() + rollout.observations.sum()
        returns.backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        found.append(leaf.grad.cpu())
    unit = found[1].abs().max()
    return judged(off_by(found[0] / unit, found[1] / unit), GRADIENT_BOUND)


def nothing_waits(run: Run, task: str, mode: str, compile: bool) -> Row:
    """Step environments through their ends while every wait for the GPU is an error."""
    envs: Any = gym.make_vec(
        registry.env_id(task),
        num_envs=BATCH,
        tensors=True,
        device=run.device,
        autoreset_mode=mode,
        compile=compile,
        max_episode_steps=20,
    )
    with closing(envs), nothing_falls_back():
        envs.reset(seed=0)
        actions = torch.zeros(BATCH, *envs.single_action_space.shape, device=run.device)
        for _ in range(4):
            envs.step(actions)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(30):
                *_, infos = envs.step(actions)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    if mode == "SameStep" and not {"final_obs", "final_info"} <= infos.keys():
        return {"failure": f"infos hold {sorted(infos)}, expected final_obs and final_info too"}
    return {"good": True}


def broken(run: Run, task: str, compile: bool) -> Row:
    """Act with a number that is not finite: that episode alone is truncated, as diverged."""
    env = FunctionalEnv(task, BATCH, device=run.device, compile=compile, max_disagreement=None)
    state = env.init(0)
    action = torch.zeros(BATCH, *env.single_action_space.shape, device=run.device)
    action[3, 0] = torch.nan
    with nothing_falls_back():
        state = env.step(state, action)
    numbers = [leaf for leaf in leaves(state) if leaf.is_floating_point()]
    good = (
        state.truncated.nonzero()[:, 0].tolist() == [3]
        and bool(state.info["diverged"][3])
        and all(bool(leaf.isfinite().all()) for leaf in numbers)
    )
    return {"good": good}
