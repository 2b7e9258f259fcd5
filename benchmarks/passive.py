"""How does a free body fall, roll and come to rest in a learned model, compared with MuJoCo?

    python benchmarks/passive.py --checkpoint runs/ant runs/cube
    python benchmarks/passive.py --fit Ant-v5 examples/cube.xml       # records and fits them first

Nobody acts. A system with actuators is dropped: its pose is random, its joints are anywhere within
their limits, its lowest point is `--clearance` above the ground, and it is at rest. One without is
tossed: it moves and spins too. It is followed for 500 steps, and past what its task's rules call
an end. The table shows means, and medians in brackets, over all steps of all episodes, of

- the distance of the free body's positions, metres;
- the angle between its orientations, radians;
- the absolute difference of the other joints, radians or metres, averaged over them.

These are the definitions of NeRD's passive motion (Xu et al., CoRL 2025, arXiv 2508.15755), which
reports 0.057 m, 0.095 rad and 0.077 rad for an Ant of another simulator and other starts.

Beside the model, `twin` is MuJoCo itself from starts with a little normal noise on q and v, and
`hold` is the start itself. Where a twin is far off, nobody can predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from learned_envs import Simulation, registry
from learned_envs.card import read_card
from learned_envs.collect.asking import ask
from learned_envs.collect.exploration import AT_REST, RESTING_STEPS
from learned_envs.collect.recorder import Recorder
from learned_envs.data.recording import Array, Episode
from learned_envs.evaluation.twin import NOISE
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.reference import make_reference, replay
from learned_envs.systems.spec import SystemSpec

FARTHEST = 100.0
"""Metres; distances from the ground are measured up to here."""


@dataclass(frozen=True)
class Options:
    """Drop or toss systems in models and in MuJoCo."""

    checkpoint: tuple[str, ...] = ()
    """Fits of systems with one free body, by folder."""
    fit: tuple[str, ...] = ()
    """Tasks, environments or MJCFs to record and fit before, into folders in `--out`."""
    out: Path = Path("runs/passive")
    """Where fits go."""
    record: int = 200_000
    """Steps to record for each fit: drops, and as many random actions if there are actuators."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How fits are trained."""
    episodes: int = 100
    """How many drops are compared."""
    steps: int = 500
    """Steps of each."""
    clearance: tuple[float, float] = (0.05, 0.5)
    """Least and largest height of the lowest point at the start, metres."""
    speed: float = 1.0
    """Standard deviation of the velocities that a system without actuators is tossed with, m/s."""
    spin: float = 5.0
    """That of its angular velocities, rad/s."""
    seed: int = 1
    """Decides the starts. Data for fits has others."""


Errors = Mapping[str, Array]
"""Of position, orientation and joints, (episodes, steps) each."""


def starts(
    options: Options, spec: SystemSpec, real: Adapter, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw states (count, nq) and (count, nv) that nothing touches.

    Raises:
        SystemExit: if the system has no free body, or another number of them than one.
    """
    free = [joint for joint in spec.joints if joint.kind == "free"]
    if len(free) != 1:
        raise SystemExit(f"{spec.reference_id} has {len(free)} free bodies, expected one.")
    model, data = real.model, mujoco.MjData(real.model)
    (base,) = free
    found: list[tuple[Array, Array]] = []
    planes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
    shapes = np.flatnonzero(model.body_weldid[model.geom_bodyid] != 0)
    while len(found) < count:
        q, v = np.array(spec.q0), np.zeros(spec.nv)
        q[base.q + 2] = FARTHEST / 2
        q[base.q + 3 : base.q + 7] = rng.normal(size=4)
        for joint in spec.joints:
            if joint.limits is not None:
                low, high = joint.limits
                q[joint.q] = rng.uniform(low, high)
        if not spec.nu:
            v[base.v : base.v + 3] = options.speed * rng.normal(size=3)
            v[base.v + 3 : base.v + 6] = options.spin * rng.normal(size=3)
        mujoco.mj_normalizeQuat(model, q)
        data.qpos[:] = q
        mujoco.mj_forward(model, data)
        lowest = min(
            mujoco.mj_geomDistance(model, data, plane, shape, FARTHEST, None)
            for plane in planes
            for shape in shapes
        )
        if not data.ncon:
            q[base.q + 2] += rng.uniform(*options.clearance) - lowest
            found.append((q, v))
    positions, velocities = zip(*found, strict=True)
    return np.array(positions), np.array(velocities)


def differences(spec: SystemSpec, predicted: Array, true: Array) -> Errors:
    """Return how far positions, (episodes, steps, nq), are apart."""
    (base,) = (joint for joint in spec.joints if joint.kind == "free")
    place, turn = slice(base.q, base.q + 3), slice(base.q + 3, base.q + 7)
    joints = [joint.q for joint in spec.joints if joint.kind != "free"]
    first, second = (
        q[..., turn] / np.linalg.norm(q[..., turn], axis=-1, keepdims=True)
        for q in (predicted, true)
    )
    # The chord between quaternions, of which a negative one is the same orientation, resolves
    # angles that a scalar product would round away.
    chord = np.minimum(
        np.linalg.norm(first - second, axis=-1), np.linalg.norm(first + second, axis=-1)
    )
    errors = {
        "position (m)": np.linalg.norm((predicted - true)[..., place], axis=-1),
        "orientation (rad)": 4 * np.arcsin(np.clip(chord / 2, 0, 1)),
    }
    if joints:
        errors["joints"] = np.abs((predicted - true)[..., joints]).mean(-1)
    return errors


def compared(options: Options, checkpoint: str) -> dict[str, Errors]:
    """Follow a system in its model, in MuJoCo, and in twins of it."""
    simulation, task = Simulation.load(checkpoint), read_card(checkpoint).task
    spec = simulation.task.spec
    rng = np.random.default_rng(options.seed)
    with closing(make_reference(task)) as env:
        q, v = starts(options, spec, Adapter(env, spec.leaves), options.episodes, rng)
        still = np.zeros((options.steps, spec.nu))

        def followed(noise: float) -> Array:
            paths = [
                replay(env, q0 + noise * rng.normal(size=q0.shape), v0 + noise * drawn, still)[0]
                for q0, v0, drawn in zip(q, v, rng.normal(size=v.shape), strict=True)
            ]
            return np.array(paths)[:, 1:]

        true = followed(0.0)
        found = {f"twin {noise:.0e}": followed(noise) for noise in NOISE}
    found["hold"] = np.broadcast_to(q[:, None], true.shape)
    start = State(torch.tensor(q).float(), torch.tensor(v).float())
    zeros = torch.zeros(options.episodes, options.steps, spec.nu)
    with torch.no_grad():
        path = simulation.rollout(start, zeros).states.q[:, 1:].double().numpy()
    return {name: differences(spec, q, true) for name, q in {"model": path, **found}.items()}


def fitted(options: Options, task: str) -> str:
    """Record drops and random actions, and fit a model to them, if that is not done yet."""
    task = registry.task_of(task)
    folder = options.out / registry.folder_name(task)
    if folder.exists():
        return str(folder)
    asked, data = ask(task), folder.with_name(f"{folder.name}-data")
    dataset = Dataset.create(data, task, asked.spec)
    rng = np.random.default_rng(options.seed + 1)
    recorded: list[Episode] = []
    left = options.record // 2 if asked.spec.nu else options.record
    with closing(
        Recorder(make_reference(task), "drop", recorded.append, asked.task.sensors, asked.spec)
    ) as env:
        real = Adapter(env, asked.spec.leaves)
        while left > 0:
            q, v = starts(options, asked.spec, real, 1, rng)
            env.reset(seed=int(rng.integers(2**31)))
            env.set_state(q[0], v[0])
            still = 0
            for _ in range(min(left, options.steps)):
                env.step(np.zeros(env.action_space.shape or (), dtype=np.float32))
                left -= 1
                # What lies still for long would set the scale that its fall is seen by.
                still = still + 1 if np.abs(real.data.qvel).max() < AT_REST else 0
                if still == RESTING_STEPS:
                    break
            env.cut()
    dataset.append(recorded)
    if asked.spec.nu:
        collect(task, options.record - options.record // 2, Dataset.open(data), seed=options.seed)
    fit(task, folder, FitConfig(data=str(data), training=options.training))
    return str(folder)


def table_of(name: str, found: Mapping[str, Errors], options: Options) -> Table:
    """Lay out means and medians."""
    columns = list(found["model"])
    table = Table(
        *("", *columns),
        title=f"{name}: mean (median) over {options.steps} steps of {options.episodes} episodes",
    )
    for who, errors in found.items():
        cells = [f"{x.mean():.3g} ({np.median(x):.3g})" for x in errors.values()]
        table.add_row(who, *cells)
    return table


def main(options: Options) -> dict[str, Any]:
    """Fit what is asked for, compare, print and return the figures."""
    paths = [*options.checkpoint, *(fitted(options, task) for task in options.fit)]
    if not paths:
        raise SystemExit("Name fits by --checkpoint, or what to fit by --fit.")
    figures = {}
    for path in paths:
        figures[path] = compared(options, path)
        Console(width=110).print(table_of(path, figures[path], options))
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options))
