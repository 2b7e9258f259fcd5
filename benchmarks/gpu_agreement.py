"""A GPU computes what the CPU computes: every task's shipped weights, and every family."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from gpu_run import Row, Run, installed, off_by
from torch import Tensor

from learned_envs import Simulation, State, registry
from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.errors import ParameterError
from learned_envs.kinematics import Kinematics
from learned_envs.state import leaves
from learned_envs.systems.spec import SystemSpec

BOUND = 1e-4
"""The largest difference from the CPU, relative to 1 + |its number|."""

BATCH, STEPS = 256, 5

FAMILY_SYSTEM = "Hopper"
"""The system that untrained models of each family are made for."""

Compare = Callable[[Simulation, Simulation], float]
"""Returns how far the first, on the device, is from the second, on the CPU."""


def shipped() -> list[str]:
    """List the tasks whose weights are in the package."""
    return [task for task in registry.TASKS if registry.shipped_weights(task).is_file()]


def tasks_agree(run: Run) -> None:
    """Compare the device with the CPU on the shipped weights of every task."""
    for task in shipped():
        compare(run, task, registry.env_id(task), task)


def families_agree(run: Run) -> None:
    """Compare the device with the CPU on an untrained model of every family."""
    with tempfile.TemporaryDirectory() as folder:
        for family in registry.FAMILIES:
            path = Path(folder) / f"{family}.safetensors"
            made = run.attempt(partial(untrained, family, path), model=family, what="made and kept")
            if "failure" not in made:
                compare(run, family, path, FAMILY_SYSTEM)


def compare(run: Run, model: str, checkpoint: str | Path, task: str) -> None:
    """Compare steps, rollouts and environments of one checkpoint on both devices."""

    def simulations(how: Compare) -> Row:
        cpu = Simulation.load(checkpoint)
        exact = replace(cpu, dynamics=copy.deepcopy(cpu.dynamics).double())
        rounding = how(exact, cpu)
        return judged(how(Simulation.load(checkpoint, run.device), cpu), rounding=rounding)

    cases: dict[str, Compare] = {
        "step": steps_off,
        "step with disagreement": partial(steps_off, disagreement=True),
        f"rollout of {STEPS} steps": rollouts_off,
    }
    for what, how in cases.items():
        run.attempt(partial(simulations, how), model=model, what=what)
    pair = [
        {"device": device, "checkpoint": checkpoint, "ensemble": "mean", "compile": False}
        for device in (run.device, "cpu")
    ]
    run.attempt(lambda: judged(environments_off(pair, task)), model=model, what="make_vec, tensors")


def judged(off: float, bound: float = BOUND, rounding: float = 0.0) -> Row:
    """Say how large a difference is, and whether it is within a bound.

    Args:
        off: the difference.
        bound: of it.
        rounding: how far the CPU's float32 is from its float64. A contact can magnify rounding past
            the bound, and another device rounds as badly.
    """
    good = off <= max(bound, 4 * rounding)
    return {"off": off, "bound": bound, "rounding": rounding, "good": good}


def untrained(family: str, path: Path) -> Row:
    """Save a small untrained model of a family that knows the range of some made-up motion."""
    spec = family_spec()
    kinematics = Kinematics(spec)
    g = torch.Generator().manual_seed(0)
    q = torch.tensor(spec.q0) + 0.1 * torch.randn(500, spec.nq, generator=g)
    v = torch.randn(500, spec.nv, generator=g)
    action = 2 * torch.rand(500, spec.nu, generator=g) - 1
    pull = 5 * q[:, -spec.nv :].sin()
    v_next = v - spec.dt * (3 * v + pull - action.sum(-1, keepdim=True))
    reached = State(kinematics.advance(q, spec.dt * (v + v_next) / 2), v_next)
    torch.manual_seed(0)
    cls: Any = registry.family_class(family)
    try:
        model = Ensemble(cls(hidden=(16, 16)), spec, 3)
    except ParameterError:
        if installed("mujoco"):
            raise
        return {"failure": "not installed: MuJoCo, which knows the masses"}
    model.normalise(State(q, v), action, reached)
    save_checkpoint(path, model, {"task": FAMILY_SYSTEM, "disagreement_threshold": 1e3})
    return {"good": True}


def family_spec() -> SystemSpec:
    """Return the system of the families; without MuJoCo its masses may not be known."""
    if not installed("mujoco"):
        return load_checkpoint(FAMILY_SYSTEM)[0].spec
    from learned_envs.systems.reference import spec_of

    return spec_of(FAMILY_SYSTEM)


def drawn(cpu: Simulation, batch: int = BATCH) -> tuple[State, Tensor]:
    """Draw states to start from, and actions (batch, STEPS, nu); all on the CPU."""
    g = torch.Generator().manual_seed(0)
    spec = cpu.task.spec
    low, high = torch.tensor(spec.control_low), torch.tensor(spec.control_high)
    part = torch.rand(batch, STEPS, spec.nu, generator=g)
    return cpu.reset(batch, g), (low + part * (high - low)).float()


def put(simulation: Simulation, state: State, actions: Tensor) -> tuple[State, Tensor]:
    """Move states and actions to where a simulation is, in its precision."""
    like = simulation.dynamics.q_low

    def moved(leaf: Tensor) -> Tensor:
        return leaf.to(like) if leaf.is_floating_point() else leaf.to(like.device)

    return state.map(moved), moved(actions)


def trees_off(ours: Any, theirs: Any) -> float:
    """Return the largest difference between tensors in the same places."""
    pairs = zip(leaves(ours), leaves(theirs), strict=True)
    return max((off_by(one, other) for one, other in pairs), default=0.0)


@torch.no_grad()
def steps_off(device: Simulation, cpu: Simulation, disagreement: bool = False) -> float:
    """Compare all that a step gives, each state with a member of its own."""
    state, actions = drawn(cpu)
    ours = device.step(*put(device, state, actions[:, 0]), disagreement)
    return trees_off(ours, cpu.step(state, actions[:, 0], disagreement))


@torch.no_grad()
def rollouts_off(device: Simulation, cpu: Simulation) -> float:
    """Compare all that a short rollout gives."""
    state, actions = drawn(cpu)
    ours = device.rollout(*put(device, state, actions))
    return trees_off(ours, cpu.rollout(state, actions))


def environments_off(pair: Sequence[dict[str, Any]], task: str) -> float:
    """Compare vector environments of two sets of options, placed at the same states each step.

    An episode is compared until it ends: where the next begins is drawn on the device.
    """
    ours, theirs = (
        gym.make_vec(registry.env_id(task), num_envs=BATCH, tensors=True, **options)
        for options in pair
    )
    worst, going = 0.0, torch.ones(BATCH, dtype=torch.bool)
    with closing(ours), closing(theirs):
        one, other = ours.unwrapped, theirs.unwrapped
        ours.reset(seed=0), theirs.reset(seed=0)
        _, actions = drawn(Simulation.load(task))
        for t in range(STEPS):
            state = other.state  # type: ignore[attr-defined]
            one.set_state(state.q.cpu(), state.v.cpu())  # type: ignore[attr-defined]
            got, expected = ours.step(actions[:, t]), theirs.step(actions[:, t])
            worst = max(worst, trees_off(_shared(got, going), _shared(expected, going)))
            going &= ~(expected[2] | expected[3])
    return worst


def _shared(step: tuple[Any, ...], rows: Tensor) -> dict[str, Tensor]:
    """Return what some environments' step gives on every device: a GPU's infos hold more."""
    *signals, infos = step
    kept = {str(place): signal for place, signal in enumerate(signals)}
    more = {name: x for name, x in infos.items() if not name.startswith(("_", "final_"))}
    kept |= {name: x for name, x in more.items() if isinstance(x, Tensor)}
    return {name: x[rows.to(x.device)] for name, x in kept.items()}
